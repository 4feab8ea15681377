import type { DatabasePool } from '@posthorn/database';

import { cancelDeliveries } from './cancel-deliveries.sql.js';
import { countUnfinishedDeliveries, findUnfinishedDeliveries } from './find-unfinished-deliveries.sql.js';

const BATCH = 1_000;
const CANCELLED_PER_CALL_MAX = 20_000;
/** As for a dry run of a bulk replay. */
const COUNTED_MAX = 1_000_000;
const REASON = 'cancelled_by_request';

export interface CancelFilter {
  customerId: string;
  endpointId?: string | undefined;
  type?: string | undefined;
  /** Both when left out. */
  status?: 'pending' | 'held' | undefined;
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
}

export interface BulkCancellation {
  /** Those found that match. */
  matched: number;
  cancelled: number;
  /** True when the call ended at its bound: call again. */
  more: boolean;
}

/**
 * Cancels an unfinished delivery; false when it is finished. An attempt that is on the wire is recorded all the same, and
 * a success makes it delivered.
 */
export async function cancelDelivery(pool: DatabasePool, deliveryId: string): Promise<boolean> {
  return (await cancelDeliveries(pool, [deliveryId], ['pending', 'held'], REASON)) === 1;
}

/** What `cancelMatchingDeliveries` would cancel now; reads at most a million deliveries. */
export async function countMatchingDeliveries(
  pool: DatabasePool,
  filter: CancelFilter,
): Promise<BulkCancellation> {
  return { ...(await countUnfinishedDeliveries(pool, filter, COUNTED_MAX)), cancelled: 0 };
}

/**
 * Cancels the unfinished deliveries that match, in bounded batches. Goes endpoint by endpoint: what an endpoint has
 * unfinished is indexed, so a long history costs nothing.
 */
export async function cancelMatchingDeliveries(
  pool: DatabasePool,
  filter: CancelFilter,
): Promise<BulkCancellation> {
  const statuses = filter.status ? [filter.status] : (['pending', 'held'] as const);
  let seen = 0;
  let cancelled = 0;
  for (const endpointId of await endpointsOf(pool, filter)) {
    for (const status of statuses) {
      for (let after: string | null = null; ;) {
        if (seen >= CANCELLED_PER_CALL_MAX) return { matched: seen, cancelled, more: true };
        const { type, sinceMs, untilMs } = filter;
        const ids: string[] = await findUnfinishedDeliveries(pool, {
          ...{ endpointId, status, type, sinceMs, untilMs },
          after,
          limit: BATCH,
        });
        cancelled += await cancelDeliveries(pool, ids, [status], REASON);
        seen += ids.length;
        if (ids.length < BATCH) break;
        after = ids.at(-1) ?? null;
      }
    }
  }
  return { matched: seen, cancelled, more: false };
}

/** Also deleted ones: theirs may be unfinished for a moment. */
async function endpointsOf(pool: DatabasePool, { customerId, endpointId }: CancelFilter): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'SELECT id FROM endpoint WHERE customer_id = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY id',
    [customerId, endpointId ?? null],
  );
  return rows.map(({ id }) => id);
}

import { idBounds, isLocked } from '@posthorn/database';
import type pg from 'pg';

import { cancelDeliveries } from './cancel-deliveries.sql.js';
import { findUnfinishedDeliveries } from './find-unfinished-deliveries.sql.js';

const BATCH = 1_000;

export type EndpointClosing =
  /** Pending deliveries wait until `holdLimitMs` after their event. */
  | { status: 'held'; reason: string; holdLimitMs: number }
  /** Pending and held deliveries end. */
  | { status: 'cancelled'; reason: string };

/**
 * Holds or cancels all unfinished deliveries of an endpoint, in bounded batches, oldest first. None is held once the
 * endpoint is enabled again, and no test: it is sent all the same. Returns how many.
 */
export async function closeDeliveriesOfEndpoint(
  pool: pg.Pool,
  endpointId: string,
  closing: EndpointClosing,
): Promise<number> {
  const from = closing.status === 'held' ? (['pending'] as const) : (['pending', 'held'] as const);
  let closed = 0;
  for (const status of from) {
    for (let after: string | null = null; ;) {
      const ids: string[] = await findUnfinishedDeliveries(pool, { endpointId, status, after, limit: BATCH });
      const last = ids.at(-1);
      if (last === undefined) break;
      closed +=
        closing.status === 'held'
          ? await holdDeliveries(pool, ids, closing.reason, closing.holdLimitMs)
          : await cancelDeliveries(pool, ids, [status], closing.reason);
      after = last;
    }
  }
  return closed;
}

async function holdDeliveries(
  pool: pg.Pool,
  ids: string[],
  reason: string,
  holdLimitMs: number,
): Promise<number> {
  const { min, max } = idBounds(ids);
  const { rowCount } = await pool.query(
    `WITH locked AS MATERIALIZED (
       SELECT id FROM delivery
        WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 AND status = 'pending' AND NOT test
        ORDER BY id FOR UPDATE
     )
     UPDATE delivery d
        SET status = 'held', reason = $4, next_attempt_at = NULL, waiting_for = NULL, finished_at = NULL,
            expires_at = d.created_at + $5::bigint * interval '1 millisecond'
      WHERE ${isLocked('d', ['$2', '$3'])}
        AND (SELECT e.status FROM endpoint e WHERE e.id = d.endpoint_id) <> 'enabled'`,
    [ids, min, max, reason, holdLimitMs],
  );
  return rowCount ?? 0;
}

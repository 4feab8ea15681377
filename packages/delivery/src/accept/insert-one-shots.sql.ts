import { inTransaction } from '@posthorn/database';
import type { RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

import { type EventToInsert, insertEventsWithin, type InsertOutcome } from './insert-events.sql.js';

/** An event with the one delivery it is made for, and where that goes. */
export interface OneShotToInsert extends EventToInsert {
  deliveryId: string;
  /** Of the lane that `deliveries` goes over. */
  laneId: string;
  url: string;
  headersSealed: Uint8Array | null;
  retryPolicy: RetryPolicyInput | null;
  deliveryLifetimeMs: number;
}

/** `unknown_lane`: the lane is gone, with its customer; one of the same id may have been made since. */
export type OneShotInsertOutcome = InsertOutcome | 'unknown_lane';

/**
 * Commits one-shots as `insertEvents` does events, by the same statement, together with where they go. All or nothing:
 * when it rejects, nothing of the batch was committed.
 */
export function insertOneShots(
  pool: pg.Pool,
  oneShots: readonly OneShotToInsert[],
  idempotencyWindowMs: number,
): Promise<OneShotInsertOutcome[]> {
  return inTransaction(pool, async (client) => {
    const lanes = await presentLanes(client, oneShots);
    const sendable = oneShots.filter(({ laneId }) => lanes.has(laneId));
    if (sendable.length === 0) return oneShots.map(() => 'unknown_lane');
    const inserted = await insertEventsWithin(client, sendable, idempotencyWindowMs);
    await insertTargets(
      client,
      sendable.filter((_, i) => inserted[i] === 'accepted'),
    );
    const outcomes = new Map(sendable.map(({ id }, i) => [id, inserted[i]]));
    return oneShots.map(({ id }) => outcomes.get(id) ?? 'unknown_lane');
  });
}

/** Lanes go with their customer only, which waits for transactions like this one to end. */
async function presentLanes(
  client: pg.PoolClient,
  oneShots: readonly OneShotToInsert[],
): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>({
    name: 'present_lanes',
    text: 'SELECT id FROM endpoint WHERE id = ANY ($1::uuid[])',
    values: [[...new Set(oneShots.map(({ laneId }) => laneId))]],
  });
  return new Set(rows.map(({ id }) => id));
}

async function insertTargets(client: pg.PoolClient, oneShots: readonly OneShotToInsert[]): Promise<void> {
  if (oneShots.length === 0) return;
  await client.query({
    name: 'insert_one_shots',
    text: `
      INSERT INTO one_shot (id, delivery_id, url, headers_sealed, retry_policy, open_for_ms)
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::jsonb[], $6::bigint[])`,
    values: [
      oneShots.map(({ id }) => id),
      oneShots.map(({ deliveryId }) => deliveryId),
      oneShots.map(({ url }) => url),
      oneShots.map(({ headersSealed }) => headersSealed && Buffer.from(headersSealed)),
      oneShots.map(({ retryPolicy }) => retryPolicy && JSON.stringify(retryPolicy)),
      oneShots.map(({ deliveryLifetimeMs }) => deliveryLifetimeMs),
    ],
  });
}

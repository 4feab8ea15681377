import { createStatement, inTransaction } from '@posthorn/database';
import type { RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

import { type EventToInsert, insertEventsWithin, type InsertOutcome } from './insert-events.sql.js';

/** An event with its one delivery, and the target of that delivery. */
export interface OneShotToInsert extends EventToInsert {
  deliveryId: string;
  /** Of the lane of the one delivery. */
  laneId: string;
  url: string;
  headersSealed: Uint8Array | null;
  retryPolicy: RetryPolicyInput | null;
  deliveryLifetimeMs: number;
}

/** `unknown_lane`: the lane is gone, with its customer; one of the same id may have been made since. */
export type OneShotInsertOutcome = InsertOutcome | 'unknown_lane';

/**
 * Commits one-shots as `insertEvents` does events, by the same statement, together with their targets. All or nothing:
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

/** A lane is removed only with its customer, which waits for transactions like this one to end. */
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
  await client.query(
    INSERT_ONE_SHOTS({
      ids: oneShots.map(({ id }) => id),
      deliveryIds: oneShots.map(({ deliveryId }) => deliveryId),
      urls: oneShots.map(({ url }) => url),
      headersSealed: oneShots.map(({ headersSealed }) => headersSealed && Buffer.from(headersSealed)),
      retryPolicies: oneShots.map(({ retryPolicy }) => retryPolicy && JSON.stringify(retryPolicy)),
      lifetimesMs: oneShots.map((oneShot) => oneShot.deliveryLifetimeMs),
    }),
  );
}

const INSERT_ONE_SHOTS = createStatement<{
  ids: string[];
  deliveryIds: string[];
  urls: string[];
  headersSealed: (Buffer | null)[];
  retryPolicies: (string | null)[];
  lifetimesMs: number[];
}>({
  name: 'insert_one_shots',
  text: `
    INSERT INTO one_shot (id, delivery_id, url, headers_sealed, retry_policy, open_for_ms)
    SELECT * FROM unnest(:ids::uuid[], :deliveryIds::uuid[], :urls::text[], :headersSealed::bytea[],
                         :retryPolicies::jsonb[], :lifetimesMs::bigint[])`,
});

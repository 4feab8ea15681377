import { inTransaction } from '@posthorn/database';
import type { DeliveryRef, EndpointStatus, RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

import { findDeliveriesToReplay, type ReplayFilter } from './find-deliveries-to-replay.sql.js';
import type { ReopenOptions } from './reopen-delivery.sql.js';
import { reopenFinishedDeliveries } from './reopen-finished-deliveries.sql.js';

export interface ReplayPageOptions extends ReopenOptions {
  /** Not more than this many of the replay's deliveries are unfinished at the endpoint. */
  unfinishedMax: number;
}

/**
 * Opens the next deliveries of a running replay at one endpoint. Openings, cursor and counts are one transaction under
 * the lock of the replay's row: whatever dies or runs at once, no delivery has its turn twice, and once a pause or a
 * cancellation is answered nothing more is opened. Returns what is pending now.
 */
export function openReplayPage(
  pool: pg.Pool,
  replayId: string,
  endpointId: string,
  options: ReplayPageOptions,
): Promise<DeliveryRef[]> {
  return inTransaction(pool, async (client) => {
    const replay = await lockRunning(client, replayId);
    if (!replay) return [];
    // Read after the replay is locked: whoever had the lock before may have moved it.
    const lane = await readLane(client, replayId, endpointId);
    const endpoint = await lockEndpoint(client, endpointId);
    if (!lane || !endpoint) return [];
    if (endpoint.deleted) {
      await endLane(client, replayId, endpointId, 'failed');
      return [];
    }
    const limit = options.unfinishedMax - lane.unfinished;
    if (endpoint.status !== 'enabled' || limit <= 0) return [];

    const filter = { ...replay, endpointId };
    const { createdAt } = replay;
    const ids = await findDeliveriesToReplay(client, filter, { createdAt, afterId: lane.afterId, limit });
    const { opened, expired } = await reopenFinishedDeliveries(client, {
      ids,
      status: replay.status,
      finishedUntil: createdAt,
      oneShots: endpoint.oneShots,
      deliveryLifetimeMs: options.deliveryLifetimeMs(endpoint.retryPolicy),
      holdLimitMs: options.holdLimitMs,
    });
    await moveLane(client, replayId, endpointId, { opened, expired, afterId: ids.at(-1) ?? lane.afterId });
    if (ids.length < limit) await endLane(client, replayId, endpointId, 'unmatched');
    return opened;
  });
}

async function lockRunning(
  client: pg.ClientBase,
  replayId: string,
): Promise<(ReplayFilter & { createdAt: Date }) | undefined> {
  const { rows } = await client.query<ReplayFilter & { createdAt: Date }>(
    `SELECT customer_id AS "customerId", status, endpoint_id AS "endpointId", type, since, until, created_at AS "createdAt"
       FROM replay WHERE id = $1 AND state = 'running' FOR UPDATE SKIP LOCKED`,
    [replayId],
  );
  return rows[0];
}

async function readLane(
  client: pg.ClientBase,
  replayId: string,
  endpointId: string,
): Promise<{ afterId: string; unfinished: number } | undefined> {
  const { rows } = await client.query<{ afterId: string; unfinished: number }>(
    `SELECT after_id AS "afterId",
            (SELECT count(*)::int FROM replay_delivery WHERE replay_id = $1 AND endpoint_id = $2) AS unfinished
       FROM replay_lane WHERE replay_id = $1 AND endpoint_id = $2`,
    [replayId, endpointId],
  );
  return rows[0];
}

interface LockedEndpoint {
  status: EndpointStatus;
  deleted: boolean;
  oneShots: boolean;
  retryPolicy: RetryPolicyInput | null;
}

/** Undefined once its customer is being erased. */
async function lockEndpoint(client: pg.ClientBase, endpointId: string): Promise<LockedEndpoint | undefined> {
  const { rows } = await client.query<LockedEndpoint>(
    `SELECT e.status, e.deleted_at IS NOT NULL AS deleted, e.kind = 'one_shot' AS "oneShots", e.retry_policy AS "retryPolicy"
       FROM endpoint e JOIN customer c ON c.id = e.customer_id AND c.erased_at IS NULL
      WHERE e.id = $1 FOR SHARE OF e`,
    [endpointId],
  );
  return rows[0];
}

/** What was committed only after the count at the start is added to `matched`. */
async function moveLane(
  client: pg.ClientBase,
  replayId: string,
  endpointId: string,
  page: { opened: readonly DeliveryRef[]; expired: number; afterId: string },
): Promise<void> {
  await client.query(
    `WITH before AS (
       SELECT GREATEST(0, taken + cardinality($3::uuid[]) + $4 - matched) AS late
         FROM replay_lane WHERE replay_id = $1 AND endpoint_id = $2
     ), opened AS (
       INSERT INTO replay_delivery (replay_id, endpoint_id, delivery_id) SELECT $1, $2, unnest($3::uuid[])
     ), counted AS (
       UPDATE replay SET matched = matched + late, failed = failed + $4 FROM before WHERE id = $1
     )
     UPDATE replay_lane SET taken = taken + cardinality($3::uuid[]) + $4, matched = matched + late, after_id = $5
       FROM before WHERE replay_id = $1 AND endpoint_id = $2`,
    [replayId, endpointId, page.opened.map(({ deliveryId }) => deliveryId), page.expired, page.afterId],
  );
}

/**
 * Nothing more is opened at this endpoint. What had not had its turn has failed, or, where the walk came to its end, no
 * longer matches.
 */
async function endLane(
  client: pg.ClientBase,
  replayId: string,
  endpointId: string,
  rest: 'failed' | 'unmatched',
): Promise<void> {
  await client.query(
    `WITH lane AS (
       DELETE FROM replay_lane WHERE replay_id = $1 AND endpoint_id = $2 RETURNING matched - taken AS rest
     )
     UPDATE replay
        SET failed = failed + CASE WHEN $3 = 'failed' THEN rest ELSE 0 END,
            matched = matched - CASE WHEN $3 = 'failed' THEN 0 ELSE rest END
       FROM lane WHERE id = $1`,
    [replayId, endpointId, rest],
  );
}

import { inTransaction } from '@posthorn/database';
import {
  isFinished,
  type DeliveryRef,
  type DeliveryStatus,
  type EndpointStatus,
  type RetryPolicyInput,
} from '@posthorn/domain';
import type pg from 'pg';

import { deliveryLifetimeSql } from './delivery-lifetime.sql.js';

export interface ReopenOptions {
  /** How long an opening under this policy may last. */
  deliveryLifetimeMs(policy: RetryPolicyInput | null): number;
  /** No delivery is tried or held longer than this after its event. */
  holdLimitMs: number;
}

/**
 * `opened`: pending under its next generation, due now. `held`: its endpoint takes nothing now. `due`: pending and due
 * already, so it is being sent or about to be; nothing was changed. `expired`: its event is too old to be sent again.
 * `one_shot`: the event goes to its own URL only. `test`: it was made to be sent once.
 */
export type ReopenOutcome =
  | { kind: 'opened'; delivery: DeliveryRef }
  | { kind: 'held' }
  | { kind: 'due' }
  | { kind: 'endpoint_deleted' }
  | { kind: 'expired' }
  | { kind: 'one_shot' }
  | { kind: 'test' }
  | { kind: 'not_found' };

/**
 * Opens a delivery again on request, whatever its status. A finished one gets a fresh budget; one that waits for its next
 * attempt keeps its budget and is brought forward. The endpoint's row is locked first, so that no pause or deletion comes
 * in between and leaves the delivery pending.
 */
export function reopenDelivery(
  pool: pg.Pool,
  deliveryId: string,
  options: ReopenOptions,
): Promise<ReopenOutcome> {
  return inTransaction(pool, (client) => reopen(client, deliveryId, options));
}

/** The same inside the transaction of someone else. */
export async function reopen(
  client: pg.PoolClient,
  deliveryId: string,
  { deliveryLifetimeMs, holdLimitMs }: ReopenOptions,
): Promise<ReopenOutcome> {
  const endpoint = await lockEndpointOf(client, deliveryId);
  if (!endpoint) return { kind: 'not_found' };
  if (endpoint.deleted) return { kind: 'endpoint_deleted' };
  const current = await lockDelivery(client, deliveryId, holdLimitMs);
  if (!current) return { kind: 'not_found' };
  if (current.test) return { kind: 'test' };
  if (current.expired) return { kind: 'expired' };
  const finished = isFinished(current.status);

  if (endpoint.status !== 'enabled') {
    if (current.status !== 'held') {
      await hold(client, deliveryId, `endpoint_${endpoint.status}`, finished, holdLimitMs);
    }
    return { kind: 'held' };
  }
  if (current.status === 'pending' && !current.waiting) return { kind: 'due' };
  const delivery = await open(client, deliveryId, current.status, endpoint, {
    deliveryLifetimeMs: deliveryLifetimeMs(endpoint.retryPolicy),
    holdLimitMs,
  });
  return { kind: 'opened', delivery };
}

interface LockedEndpoint {
  status: EndpointStatus;
  deleted: boolean;
  /** It is a lane of one-shots. */
  oneShots: boolean;
  retryPolicy: RetryPolicyInput | null;
}

async function lockEndpointOf(
  client: pg.PoolClient,
  deliveryId: string,
): Promise<LockedEndpoint | undefined> {
  const { rows } = await client.query<LockedEndpoint>(
    `SELECT e.status, e.deleted_at IS NOT NULL AS deleted, e.kind = 'one_shot' AS "oneShots", e.retry_policy AS "retryPolicy"
       FROM endpoint e JOIN customer c ON c.id = e.customer_id AND c.erased_at IS NULL
      WHERE e.id = (SELECT endpoint_id FROM delivery WHERE id = $1)
        FOR SHARE OF e`,
    [deliveryId],
  );
  return rows[0];
}

interface LockedDelivery {
  status: DeliveryStatus;
  /** Not due for a while: nobody is sending it. Workers take a job up to half a second early. */
  waiting: boolean;
  expired: boolean;
  test: boolean;
}

async function lockDelivery(
  client: pg.PoolClient,
  deliveryId: string,
  holdLimitMs: number,
): Promise<LockedDelivery | undefined> {
  const { rows } = await client.query<LockedDelivery>(
    `SELECT status,
            COALESCE(next_attempt_at > clock_timestamp() + interval '2 seconds', false) AS waiting,
            created_at + $2::bigint * interval '1 millisecond' <= clock_timestamp() AS expired, test
       FROM delivery WHERE id = $1 FOR UPDATE`,
    [deliveryId, holdLimitMs],
  );
  return rows[0];
}

async function hold(
  client: pg.PoolClient,
  deliveryId: string,
  reason: string,
  finished: boolean,
  holdLimitMs: number,
): Promise<void> {
  await client.query(
    `UPDATE delivery
        SET status = 'held', reason = $2, next_attempt_at = NULL, waiting_for = NULL, finished_at = NULL,
            delivered_at = CASE WHEN status = 'delivered' THEN COALESCE(delivered_at, finished_at) ELSE delivered_at END,
            attempts_before = CASE WHEN $3 THEN attempts ELSE attempts_before END, replayed_after = attempts,
            expires_at = created_at + $4::bigint * interval '1 millisecond'
      WHERE id = $1`,
    [deliveryId, reason, finished, holdLimitMs],
  );
}

async function open(
  client: pg.PoolClient,
  deliveryId: string,
  from: DeliveryStatus,
  endpoint: LockedEndpoint,
  { deliveryLifetimeMs, holdLimitMs }: { deliveryLifetimeMs: number; holdLimitMs: number },
): Promise<DeliveryRef> {
  const { rows } = await client.query<{
    event_id: string;
    customer_id: string;
    endpoint_id: string;
    generation: number;
  }>(
    `UPDATE delivery
        SET status = 'pending', generation = generation + 1, next_attempt_at = now(), waiting_for = NULL, reason = NULL,
            finished_at = NULL, replayed_after = attempts,
            delivered_at = CASE WHEN status = 'delivered' THEN COALESCE(delivered_at, finished_at) ELSE delivered_at END,
            attempts_before = CASE WHEN $2 THEN attempts ELSE attempts_before END,
            expires_at = CASE WHEN status = 'pending' THEN expires_at
                              ELSE LEAST(now() + ${deliveryLifetimeSql(endpoint, '$3', 'event_id')} * interval '1 millisecond',
                                         created_at + $4::bigint * interval '1 millisecond') END
      WHERE id = $1
     RETURNING event_id, customer_id, endpoint_id, generation`,
    [deliveryId, isFinished(from), deliveryLifetimeMs, holdLimitMs],
  );
  const [row] = rows;
  if (!row) throw new Error('A locked delivery cannot be gone');
  return {
    deliveryId,
    eventId: row.event_id,
    customerId: row.customer_id,
    endpointId: row.endpoint_id,
    generation: row.generation,
  };
}

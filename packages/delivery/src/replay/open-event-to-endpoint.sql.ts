import { inTransaction } from '@posthorn/database';
import { deliveryIdOf, type EndpointStatus, type RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

import { reopen, type ReopenOptions, type ReopenOutcome } from './reopen-delivery.sql.js';

/**
 * Opens the delivery of an event to an endpoint of the same customer; makes it when there is none, whether or not the
 * endpoint matches the event's type or existed then. A made one is counted with its event in the same transaction, so
 * that the ledger balances.
 */
export function openEventToEndpoint(
  pool: pg.Pool,
  eventId: string,
  endpointId: string,
  options: ReopenOptions,
): Promise<ReopenOutcome> {
  return inTransaction(pool, async (client) => {
    const deliveryId = deliveryIdOf(eventId, endpointId);
    const target = await lockTarget(client, eventId, endpointId, options.holdLimitMs);
    if (!target) return { kind: 'not_found' };
    if (target.oneShot) return { kind: 'one_shot' };
    if (target.test) return { kind: 'test' };
    if (target.deleted) return { kind: 'endpoint_deleted' };
    if (target.expired) return { kind: 'expired' };
    const made = await insertDelivery(client, deliveryId, eventId, endpointId, target.status, {
      deliveryLifetimeMs: options.deliveryLifetimeMs(target.retryPolicy),
      holdLimitMs: options.holdLimitMs,
    });
    if (!made) return reopen(client, deliveryId, options);
    await client.query('UPDATE event SET added_deliveries = added_deliveries + 1 WHERE id = $1', [eventId]);
    if (target.status !== 'enabled') return { kind: 'held' };
    return {
      kind: 'opened',
      delivery: { deliveryId, eventId, endpointId, customerId: target.customerId, generation: 1 },
    };
  });
}

interface Target {
  customerId: string;
  /** The event is one: its body is no event's. */
  oneShot: boolean;
  test: boolean;
  status: EndpointStatus;
  deleted: boolean;
  expired: boolean;
  retryPolicy: RetryPolicyInput | null;
}

async function lockTarget(
  client: pg.PoolClient,
  eventId: string,
  endpointId: string,
  holdLimitMs: number,
): Promise<Target | undefined> {
  const { rows } = await client.query<Target>(
    `SELECT e.customer_id AS "customerId", EXISTS (SELECT FROM one_shot o WHERE o.id = v.id) AS "oneShot", v.test, e.status, e.deleted_at IS NOT NULL AS deleted, e.retry_policy AS "retryPolicy",
            v.accepted_at + $3::bigint * interval '1 millisecond' <= now() AS expired
       FROM endpoint e
       JOIN customer c ON c.id = e.customer_id AND c.erased_at IS NULL
       JOIN event v ON v.id = $1 AND v.customer_id = e.customer_id
      WHERE e.id = $2 AND e.kind = 'registered'
        FOR SHARE OF e`,
    [eventId, endpointId, holdLimitMs],
  );
  return rows[0];
}

/** False when the pair has its delivery; a concurrent one is waited for. */
async function insertDelivery(
  client: pg.PoolClient,
  deliveryId: string,
  eventId: string,
  endpointId: string,
  endpointStatus: EndpointStatus,
  { deliveryLifetimeMs, holdLimitMs }: { deliveryLifetimeMs: number; holdLimitMs: number },
): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, next_attempt_at, created_at,
                           expires_at, replayed_after)
     SELECT $1, v.id, $3, v.customer_id, v.type,
            CASE WHEN $4::text = 'enabled' THEN 'pending' ELSE 'held' END,
            CASE WHEN $4::text <> 'enabled' THEN 'endpoint_' || $4::text END,
            CASE WHEN $4::text = 'enabled' THEN now() END,
            v.accepted_at,
            LEAST(CASE WHEN $4::text = 'enabled' THEN now() + $5::bigint * interval '1 millisecond' ELSE 'infinity' END,
                  v.accepted_at + $6::bigint * interval '1 millisecond'),
            0
       FROM event v WHERE v.id = $2
     ON CONFLICT (id) DO NOTHING`,
    [deliveryId, eventId, endpointId, endpointStatus, deliveryLifetimeMs, holdLimitMs],
  );
  return rowCount === 1;
}

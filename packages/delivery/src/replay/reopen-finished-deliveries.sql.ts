import { idBounds, isLocked } from '@posthorn/database';
import type { DeliveryRef, ReplayableStatus } from '@posthorn/domain';
import type pg from 'pg';

import { deliveryLifetimeSql } from './delivery-lifetime.sql.js';

export interface FinishedReopening {
  ids: readonly string[];
  /** Only what is still in this status, and has been since before this time. */
  status: ReplayableStatus;
  finishedUntil: Date;
  /** Their endpoint is a lane of one-shots. */
  oneShots: boolean;
  /** How long the opening may last, */
  deliveryLifetimeMs: number;
  /** but never longer than this after the event. */
  holdLimitMs: number;
}

export interface FinishedReopened {
  opened: DeliveryRef[];
  /** Those too old to be sent again. */
  expired: number;
}

/**
 * Opens finished deliveries of one endpoint under their next generation, due now, each with a fresh budget: what
 * `reopenDelivery` does for one. Their next attempt carries the trigger `replay`, and what was delivered stays so. The
 * caller holds a lock on the endpoint's row, so that it stays enabled.
 */
export async function reopenFinishedDeliveries(
  client: pg.ClientBase,
  { ids, status, finishedUntil, oneShots, deliveryLifetimeMs, holdLimitMs }: FinishedReopening,
): Promise<FinishedReopened> {
  if (ids.length === 0) return { opened: [], expired: 0 };
  const { min, max } = idBounds(ids);
  const { rows } = await client.query<{
    id: string;
    event_id: string;
    customer_id: string;
    endpoint_id: string;
    /** Null for one that is too old. */
    generation: number | null;
  }>(
    `WITH locked AS MATERIALIZED (
       SELECT d.id, d.event_id, d.customer_id, d.endpoint_id,
              d.created_at + $7::bigint * interval '1 millisecond' <= clock_timestamp() AS expired
         FROM delivery d
        WHERE d.id = ANY ($1::uuid[]) AND d.id BETWEEN $2 AND $3 AND d.status = $4 AND d.finished_at <= $5
        ORDER BY d.id FOR UPDATE
     ), opened AS (
       UPDATE delivery d
          SET status = 'pending', generation = d.generation + 1, next_attempt_at = now(), waiting_for = NULL, reason = NULL,
              finished_at = NULL, replayed_after = d.attempts, attempts_before = d.attempts,
              delivered_at = CASE WHEN d.status = 'delivered' THEN COALESCE(d.delivered_at, d.finished_at) ELSE d.delivered_at END,
              expires_at = LEAST(now() + ${deliveryLifetimeSql({ oneShots }, '$6', 'd.event_id')} * interval '1 millisecond',
                                 d.created_at + $7::bigint * interval '1 millisecond')
        WHERE ${isLocked('d', ['$2', '$3'], 'NOT expired')}
       RETURNING d.id, d.generation
     )
     SELECT l.id, l.event_id, l.customer_id, l.endpoint_id, o.generation
       FROM locked l LEFT JOIN opened o ON o.id = l.id`,
    [ids, min, max, status, finishedUntil, deliveryLifetimeMs, holdLimitMs],
  );
  const opened = rows.flatMap(({ id, event_id, customer_id, endpoint_id, generation }) =>
    generation === null
      ? []
      : [{ deliveryId: id, eventId: event_id, customerId: customer_id, endpointId: endpoint_id, generation }],
  );
  return { opened, expired: rows.length - opened.length };
}

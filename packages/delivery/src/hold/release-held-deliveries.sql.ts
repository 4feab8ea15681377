import { idBounds, isLocked } from '@posthorn/database';
import type { DeliveryRef } from '@posthorn/domain';
import type pg from 'pg';

export interface HeldRelease {
  endpointId: string;
  ids: readonly string[];
  /** A released one may be tried this long from now, */
  deliveryLifetimeMs: number;
  /** but never longer than this after its event. */
  holdLimitMs: number;
}

const CANCELS = '((d.created_at < e.held_cancel_before) IS TRUE)';

/**
 * Releases held deliveries of an endpoint under their next generation, due now; those that the last resume said to
 * cancel are cancelled. Does nothing unless the endpoint is enabled when the statement runs, and keeps it so until it
 * commits. Returns those that are pending now.
 *
 * The ids say which rows: behind CASE the status does not have Postgres read all that is held between the first and the last.
 */
export async function releaseHeldDeliveries(
  pool: pg.Pool,
  { endpointId, ids, deliveryLifetimeMs, holdLimitMs }: HeldRelease,
): Promise<DeliveryRef[]> {
  const { min, max } = idBounds(ids);
  const { rows } = await pool.query<{
    id: string;
    event_id: string;
    customer_id: string;
    generation: number;
    status: string;
  }>(
    `WITH enabled AS MATERIALIZED (
       SELECT id, held_cancel_before FROM endpoint
        WHERE id = $1 AND status = 'enabled' AND deleted_at IS NULL FOR SHARE
     ), locked AS MATERIALIZED (
       SELECT d.id
         FROM delivery d JOIN enabled e ON e.id = d.endpoint_id
        WHERE d.id = ANY ($2::uuid[]) AND d.id BETWEEN $3 AND $4 AND CASE WHEN d.status = 'held' THEN true ELSE false END
        ORDER BY d.id FOR UPDATE OF d
     )
     UPDATE delivery d
        SET status = CASE WHEN NOT ${CANCELS} THEN 'pending' WHEN d.delivered_at IS NULL THEN 'cancelled' ELSE 'delivered' END,
            reason = CASE WHEN ${CANCELS} AND d.delivered_at IS NULL THEN 'held_cancelled' END,
            generation = d.generation + CASE WHEN ${CANCELS} THEN 0 ELSE 1 END,
            next_attempt_at = CASE WHEN NOT ${CANCELS} THEN now() END,
            finished_at = CASE WHEN ${CANCELS} THEN COALESCE(d.delivered_at, now()) END,
            expires_at = CASE WHEN ${CANCELS} THEN d.expires_at
                              ELSE LEAST(now() + $5::bigint * interval '1 millisecond',
                                         d.created_at + $6::bigint * interval '1 millisecond') END
       FROM (SELECT held_cancel_before FROM enabled) e
      WHERE ${isLocked('d', ['$3', '$4'])}
     RETURNING d.id, d.event_id, d.customer_id, d.generation, d.status`,
    [endpointId, ids, min, max, deliveryLifetimeMs, holdLimitMs],
  );
  return rows
    .filter(({ status }) => status === 'pending')
    .map((row) => ({
      deliveryId: row.id,
      eventId: row.event_id,
      customerId: row.customer_id,
      endpointId,
      generation: row.generation,
    }));
}

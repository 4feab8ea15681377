import type { DeliveryStatus } from '@posthorn/domain';
import type pg from 'pg';

import { idBounds } from './id-bounds.js';

/** A delivery as an attempt needs it, read anew for every attempt and never cached. */
export interface LoadedDelivery {
  id: string;
  eventId: string;
  endpointId: string;
  customerId: string;
  status: DeliveryStatus;
  generation: number;
  attempts: number;
  attemptsBefore: number;
  /** `attempts` when someone last asked for a replay; null when nobody did. */
  replayedAfter: number | null;
  nextAttemptAtMs: number | null;
  expiresAtMs: number;
  /** The event's stored envelope: what is signed and sent. */
  body: string;
}

interface Row {
  id: string;
  event_id: string;
  endpoint_id: string;
  customer_id: string;
  status: DeliveryStatus;
  generation: number;
  attempts: number;
  attempts_before: number;
  replayed_after: number | null;
  next_attempt_at: Date | null;
  expires_at: Date;
  /** Null when the event is gone. */
  body: string | null;
}

/** Reads deliveries with their events in one statement, in the order asked for; undefined where a row is gone. */
export async function loadDeliveries(
  pool: pg.Pool,
  wanted: readonly { deliveryId: string; eventId: string }[],
): Promise<(LoadedDelivery | undefined)[]> {
  const deliveryIds = wanted.map(({ deliveryId }) => deliveryId);
  const deliveryBounds = idBounds(deliveryIds);
  const eventBounds = idBounds(wanted.map(({ eventId }) => eventId));
  const { rows } = await pool.query<Row>({
    // A join of the two would be planned by the range of the ids, and read whole days; a subselect is one look-up each.
    name: 'load_deliveries',
    text: `
      SELECT d.id, d.event_id, d.endpoint_id, d.customer_id, d.status, d.generation, d.attempts, d.attempts_before,
             d.replayed_after, d.next_attempt_at, d.expires_at,
             (SELECT e.body FROM event e WHERE e.id = d.event_id AND e.id BETWEEN $4 AND $5) AS body
        FROM delivery d
       WHERE d.id = ANY ($1::uuid[]) AND d.id BETWEEN $2 AND $3`,
    values: [deliveryIds, deliveryBounds.min, deliveryBounds.max, eventBounds.min, eventBounds.max],
  });
  const byId = new Map(rows.map((row) => [row.id, row]));
  return deliveryIds.map((id) => {
    const row = byId.get(id);
    return row?.body == null ? undefined : toLoadedDelivery(row, row.body);
  });
}

function toLoadedDelivery(row: Row, body: string): LoadedDelivery {
  return {
    id: row.id,
    eventId: row.event_id,
    endpointId: row.endpoint_id,
    customerId: row.customer_id,
    status: row.status,
    generation: row.generation,
    attempts: row.attempts,
    attemptsBefore: row.attempts_before,
    replayedAfter: row.replayed_after,
    nextAttemptAtMs: row.next_attempt_at?.getTime() ?? null,
    expiresAtMs: row.expires_at.getTime(),
    body,
  };
}

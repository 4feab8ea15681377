import { byDay, createDayStatement, type DayTables } from '@posthorn/database';
import type { DeliveryRef, DeliveryStatus } from '@posthorn/domain';
import type pg from 'pg';

/** A delivery as an attempt needs it: read for every attempt, never cached. */
export interface LoadedDelivery extends DeliveryRef {
  status: DeliveryStatus;
  attempts: number;
  attemptsBefore: number;
  /** `attempts` at the last request for a replay; null when there was none. */
  replayedAfter: number | null;
  nextAttemptAtMs: number | null;
  expiresAtMs: number;
  /** It tests its endpoint. */
  test: boolean;
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
  test: boolean;
  /** Null when the event is gone. */
  body: string | null;
}

/** Reads deliveries with their events, in the order of `wanted`; undefined where a row is gone. */
export function loadDeliveries(
  pool: pg.Pool,
  wanted: readonly { deliveryId: string }[],
): Promise<(LoadedDelivery | undefined)[]> {
  return byDay(wanted, ({ deliveryId }) => deliveryId, loadDay, undefined);

  async function loadDay(
    tables: DayTables,
    some: readonly { deliveryId: string }[],
  ): Promise<(LoadedDelivery | undefined)[]> {
    const ids = some.map(({ deliveryId }) => deliveryId);
    const { rows } = await pool.query<Row>(LOAD_DELIVERIES(tables, { ids }));
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => {
      const row = byId.get(id);
      return row?.body == null ? undefined : toLoadedDelivery(row, row.body);
    });
  }
}

function toLoadedDelivery(row: Row, body: string): LoadedDelivery {
  return {
    deliveryId: row.id,
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
    test: row.test,
    body,
  };
}

// The event of a delivery is of the same day: their ids carry the same time. OFFSET 0 keeps one look-up for each id: a join
// would be planned by an estimate of rows, and read whole days where the statistics are old or a partition was empty then.
const LOAD_DELIVERIES = createDayStatement<{ ids: string[] }>({
  name: 'load_deliveries',
  text: ({ delivery, event, firstId, lastId }) => `
SELECT d.*, (SELECT e.body FROM ${event} e WHERE e.id = d.event_id) AS body
  FROM unnest(:ids::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (
   SELECT id, event_id, endpoint_id, customer_id, status, generation, attempts, attempts_before, replayed_after,
          next_attempt_at, expires_at, test
     FROM ${delivery} WHERE id = wanted.id OFFSET 0
 ) d
 WHERE wanted.id BETWEEN '${firstId}' AND '${lastId}'`,
});

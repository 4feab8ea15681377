import { DAY_MS, isoDay, startOfDay } from '@posthorn/database';
import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

export interface FirstEventToFind {
  customerId: string;
  /** In order of precedence: what the first key holds wins over what the second holds. */
  keyHashes: readonly Buffer[];
}

export interface FirstEvent {
  id: string;
  type: string;
  occurredAtMs: number;
  deliveries: number;
  /** SHA-256 of the request that made it. */
  requestHash: Buffer;
}

interface Row {
  place: number;
  id: string;
  type: string;
  occurred_at: Date;
  delivery_count: number;
  request_hash: Buffer;
}

/**
 * The events that hold the idempotency keys of others, asked for after an insert found them taken; undefined where none
 * does any more. Whole days are the bound, not the window: in the first minute of a day an insert also meets keys of
 * yesterday that are just past it.
 */
export async function findFirstEvents(
  pool: pg.Pool,
  wanted: readonly FirstEventToFind[],
  { sinceMs, untilMs }: { sinceMs: number; untilMs: number },
): Promise<(FirstEvent | undefined)[]> {
  const keys = wanted.flatMap(({ customerId, keyHashes }, place) =>
    keyHashes.map((keyHash, precedence) => ({ place, precedence, customerId, keyHash })),
  );
  const { rows } = await pool.query<Row>({
    // OFFSET 0 makes each a look-up of its own: joined, they would be planned by the range of days, and read it.
    name: 'find_first_events',
    text: `
      SELECT DISTINCT ON (w.place) w.place, e.id, e.type, e.occurred_at, e.delivery_count, k.request_hash
        FROM unnest($1::int[], $2::int[], $3::text[], $4::bytea[]) AS w (place, precedence, customer_id, key_hash)
       CROSS JOIN LATERAL (
              SELECT event_id, request_hash, created_at FROM idempotency_key
               WHERE customer_id = w.customer_id AND key_hash = w.key_hash AND day BETWEEN $5 AND $6 OFFSET 0) k
       CROSS JOIN LATERAL (
              SELECT id, type, occurred_at, delivery_count FROM event
               WHERE id = k.event_id AND id BETWEEN $7 AND $8 OFFSET 0) e
       ORDER BY w.place, w.precedence, k.created_at DESC`,
    values: [
      keys.map(({ place }) => place),
      keys.map(({ precedence }) => precedence),
      keys.map(({ customerId }) => customerId),
      keys.map(({ keyHash }) => keyHash),
      isoDay(sinceMs),
      isoDay(untilMs),
      firstUuidAt(startOfDay(sinceMs)),
      firstUuidAt(startOfDay(untilMs) + DAY_MS),
    ],
  });
  const byPlace = new Map(rows.map((row) => [row.place, row]));
  return wanted.map((_, place) => {
    const row = byPlace.get(place);
    return (
      row && {
        id: row.id,
        type: row.type,
        occurredAtMs: row.occurred_at.getTime(),
        deliveries: row.delivery_count,
        requestHash: row.request_hash,
      }
    );
  });
}

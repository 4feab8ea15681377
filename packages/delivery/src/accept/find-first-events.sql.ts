import { createStatement, DAY_MS, isoDay, startOfDay } from '@posthorn/database';
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
  index: number;
  id: string;
  type: string;
  occurred_at: Date;
  delivery_count: number;
  request_hash: Buffer;
}

/**
 * The events that hold the idempotency keys of others, read after an insert found the keys taken; undefined where none
 * does any more. Whole days are the bound, not the window: in the first minute of a day an insert also meets keys of
 * yesterday that are just past it.
 */
export async function findFirstEvents(
  pool: pg.Pool,
  wanted: readonly FirstEventToFind[],
  { sinceMs, untilMs }: { sinceMs: number; untilMs: number },
): Promise<(FirstEvent | undefined)[]> {
  const keys = wanted.flatMap(({ customerId, keyHashes }, index) =>
    keyHashes.map((keyHash, precedence) => ({ index, precedence, customerId, keyHash })),
  );
  const { rows } = await pool.query<Row>(
    FIND_FIRST_EVENTS({
      indexes: keys.map(({ index }) => index),
      precedences: keys.map(({ precedence }) => precedence),
      customerIds: keys.map(({ customerId }) => customerId),
      keyHashes: keys.map(({ keyHash }) => keyHash),
      firstDay: isoDay(sinceMs),
      lastDay: isoDay(untilMs),
      firstId: firstUuidAt(startOfDay(sinceMs)),
      lastId: firstUuidAt(startOfDay(untilMs) + DAY_MS),
    }),
  );
  const byIndex = new Map(rows.map((row) => [row.index, row]));
  return wanted.map((_, index) => {
    const row = byIndex.get(index);
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

const FIND_FIRST_EVENTS = createStatement<{
  indexes: number[];
  precedences: number[];
  customerIds: string[];
  keyHashes: Buffer[];
  firstDay: string;
  lastDay: string;
  firstId: string;
  lastId: string;
}>({
  name: 'find_first_events',
  // OFFSET 0 makes each a look-up of its own: joined, they would be planned by the range of days, and read it.
  text: `
    SELECT DISTINCT ON (w.index) w.index, e.id, e.type, e.occurred_at, e.delivery_count, k.request_hash
      FROM unnest(:indexes::int[], :precedences::int[], :customerIds::text[], :keyHashes::bytea[])
             AS w (index, precedence, customer_id, key_hash)
     CROSS JOIN LATERAL (
            SELECT event_id, request_hash, created_at FROM idempotency_key
             WHERE customer_id = w.customer_id AND key_hash = w.key_hash AND day BETWEEN :firstDay AND :lastDay OFFSET 0) k
     CROSS JOIN LATERAL (
            SELECT id, type, occurred_at, delivery_count FROM event
             WHERE id = k.event_id AND id BETWEEN :firstId AND :lastId OFFSET 0) e
     ORDER BY w.index, w.precedence, k.created_at DESC`,
});

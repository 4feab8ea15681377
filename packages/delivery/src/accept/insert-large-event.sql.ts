import { isoDay } from '@posthorn/database';
import type pg from 'pg';

import {
  type DeliveryToInsert,
  type EventToInsert,
  insertEventsWithin,
  type InsertOutcome,
} from './insert-events.sql.js';

export interface LargeEventToInsert extends Omit<EventToInsert, 'deliveries'> {
  endpointsVersion: number;
  deliveryCount: number;
}

export interface LargeInsert {
  /** The deliveries, a piece for each statement. A piece is made when the one before it is in. */
  pieces: Iterable<DeliveryToInsert[]>;
  idempotencyWindowMs: number;
  /** After each piece. What it throws undoes everything. */
  betweenPieces(tookMs: number): Promise<void>;
}

/**
 * `insertEvents` for one event with many deliveries: the same outcomes and still one transaction, but in statements of
 * bounded size, on a connection that no other event waits for.
 *
 * The event and its idempotency keys come last. A row that others may wait for (a key) is so held for the last statement
 * and the commit only, however many pieces there were. Unknown customers, stale routes and keys that are taken already are
 * found before the first piece. Routes that change after that are like those that change after the commit: an endpoint that
 * was made before the event is in, and what is delivered or held wrongly is mended when it is attempted or reconciled.
 */
export async function insertLargeEvent(
  pool: pg.Pool,
  event: LargeEventToInsert,
  { pieces, idempotencyWindowMs, betweenPieces }: LargeInsert,
): Promise<InsertOutcome> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const outcome = await insertWithin(client, event, { pieces, idempotencyWindowMs, betweenPieces });
    await client.query(outcome === 'accepted' ? 'COMMIT' : 'ROLLBACK');
    client.release();
    return outcome;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function insertWithin(
  client: pg.PoolClient,
  event: LargeEventToInsert,
  { pieces, idempotencyWindowMs, betweenPieces }: LargeInsert,
): Promise<InsertOutcome> {
  const refusal = await refusalOf(client, event, idempotencyWindowMs);
  if (refusal) return refusal;
  for (const piece of pieces) {
    const startedMs = performance.now();
    await insertPiece(client, event, piece);
    await betweenPieces(performance.now() - startedMs);
  }
  const last: EventToInsert = { ...event, endpointsVersion: null, deliveries: [] };
  const [outcome] = await insertEventsWithin(client, [last], idempotencyWindowMs);
  return outcome ?? 'duplicate';
}

async function refusalOf(
  client: pg.PoolClient,
  { customerId, keyHashes, acceptedAtMs, endpointsVersion }: LargeEventToInsert,
  idempotencyWindowMs: number,
): Promise<InsertOutcome | null> {
  const sinceMs = acceptedAtMs - idempotencyWindowMs;
  const { rows } = await client.query<{ version: number; held: boolean }>({
    name: 'check_large_event',
    text: `
      SELECT endpoints_version AS version,
             EXISTS (SELECT FROM unnest($2::bytea[]) AS k (hash)
                      CROSS JOIN LATERAL (
                        SELECT FROM idempotency_key
                         WHERE customer_id = $1 AND key_hash = k.hash AND day BETWEEN $3::date AND $4::date
                           AND created_at > to_timestamp($5::bigint / 1000.0)
                         LIMIT 1) held) AS held
        FROM customer WHERE id = $1 AND erased_at IS NULL`,
    values: [customerId, keyHashes, isoDay(sinceMs), isoDay(acceptedAtMs), sinceMs],
  });
  const [row] = rows;
  if (!row) return 'unknown_customer';
  if (row.held) return 'duplicate';
  return row.version === endpointsVersion ? null : 'stale_routes';
}

async function insertPiece(
  client: pg.PoolClient,
  { id, customerId, type, acceptedAtMs }: LargeEventToInsert,
  piece: readonly DeliveryToInsert[],
): Promise<void> {
  await client.query({
    name: 'insert_deliveries',
    text: `
      INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, next_attempt_at, created_at, expires_at)
      SELECT d.id, $1::uuid, d.endpoint_id, $2, $3, d.status, d.reason,
             CASE WHEN d.status = 'pending' THEN to_timestamp($4::bigint / 1000.0) END,
             to_timestamp($4::bigint / 1000.0), to_timestamp(d.expires_ms / 1000.0)
        FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::bigint[])
          AS d (id, endpoint_id, status, reason, expires_ms)`,
    values: [
      id,
      customerId,
      type,
      acceptedAtMs,
      piece.map(({ deliveryId }) => deliveryId),
      piece.map(({ endpointId }) => endpointId),
      piece.map(({ status }) => status),
      piece.map(({ reason }) => reason),
      piece.map(({ expiresAtMs }) => expiresAtMs),
    ],
  });
}

import { createStatement, isoDay } from '@posthorn/database';
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
 * bounded size, over a connection that no other event waits for.
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
  const { rows } = await client.query<{ version: number; held: boolean }>(
    CHECK_LARGE_EVENT({
      customerId,
      keyHashes,
      firstDay: isoDay(sinceMs),
      lastDay: isoDay(acceptedAtMs),
      sinceMs,
    }),
  );
  const [row] = rows;
  if (!row) return 'unknown_customer';
  if (row.held) return 'duplicate';
  return row.version === endpointsVersion ? null : 'stale_routes';
}

const CHECK_LARGE_EVENT = createStatement<{
  customerId: string;
  keyHashes: readonly Buffer[];
  firstDay: string;
  lastDay: string;
  sinceMs: number;
}>({
  name: 'check_large_event',
  text: `
    SELECT endpoints_version AS version,
           EXISTS (SELECT FROM unnest(:keyHashes::bytea[]) AS k (hash)
                    CROSS JOIN LATERAL (
                      SELECT FROM idempotency_key
                       WHERE customer_id = :customerId AND key_hash = k.hash AND day BETWEEN :firstDay::date AND :lastDay::date
                         AND created_at > to_timestamp(:sinceMs::bigint / 1000.0)
                       LIMIT 1) held) AS held
      FROM customer WHERE id = :customerId AND erased_at IS NULL`,
});

async function insertPiece(
  client: pg.PoolClient,
  { id, customerId, type, acceptedAtMs }: LargeEventToInsert,
  piece: readonly DeliveryToInsert[],
): Promise<void> {
  await client.query(
    INSERT_DELIVERIES({
      eventId: id,
      customerId,
      type,
      acceptedMs: acceptedAtMs,
      deliveryIds: piece.map(({ deliveryId }) => deliveryId),
      endpointIds: piece.map(({ endpointId }) => endpointId),
      statuses: piece.map(({ status }) => status),
      reasons: piece.map(({ reason }) => reason),
      expiresMs: piece.map(({ expiresAtMs }) => expiresAtMs),
    }),
  );
}

const INSERT_DELIVERIES = createStatement<{
  eventId: string;
  customerId: string;
  type: string;
  acceptedMs: number;
  deliveryIds: string[];
  endpointIds: string[];
  statuses: string[];
  reasons: (string | null)[];
  expiresMs: number[];
}>({
  name: 'insert_deliveries',
  text: `
    INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, next_attempt_at, created_at, expires_at)
    SELECT d.id, :eventId::uuid, d.endpoint_id, :customerId, :type, d.status, d.reason,
           CASE WHEN d.status = 'pending' THEN to_timestamp(:acceptedMs::bigint / 1000.0) END,
           to_timestamp(:acceptedMs::bigint / 1000.0), to_timestamp(d.expires_ms / 1000.0)
      FROM unnest(:deliveryIds::uuid[], :endpointIds::uuid[], :statuses::text[], :reasons::text[], :expiresMs::bigint[])
        AS d (id, endpoint_id, status, reason, expires_ms)`,
});

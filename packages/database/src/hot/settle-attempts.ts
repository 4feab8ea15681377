import type { AttemptStatus, AttemptTrigger, DeliveryStatus, WaitingFor } from '@posthorn/domain';
import type pg from 'pg';

import { idBounds } from './id-bounds.js';
import { ENDING_COLUMNS, NOTE_ENDS } from './note-ends.js';

export interface AttemptToSettle {
  deliveryId: string;
  /** The generation and attempt count the attempt began under; the delivery changes only if they still hold. */
  generation: number;
  number: number;
  /** When the delivery was due as the attempt began: it still is if nobody decided about it meanwhile. */
  dueAtMs: number | null;
  trigger: AttemptTrigger;
  status: Exclude<AttemptStatus, 'overlapped'>;
  responseCode: number | null;
  latencyMs: number;
  errorCode: string | null;
  errorMessage: string | null;
  /** JSON text of the headers as sent, custom values masked. */
  requestHeaders: string;
  responseHeaders: string | null;
  responseBody: Buffer | null;
  responseTruncated: boolean;
  address: string | null;
  startedAtMs: number;
  next: {
    status: DeliveryStatus;
    reason: string | null;
    waitingFor: WaitingFor | null;
    nextAttemptAtMs: number | null;
    nextBecause: 'policy' | 'retry_after' | null;
    finishedAtMs: number | null;
    /** Set with `held`, which lasts longer; null leaves it. */
    expiresAtMs: number | null;
  };
}

/** `settled`: recorded, and the delivery moved on. `conflict`: the delivery had changed meanwhile; nothing was written. */
export type SettleOutcome = 'settled' | 'conflict';

/**
 * Records attempts and moves their deliveries on, in one statement, so in one transaction and one round trip.
 * Deliveries are locked in id order: two batches, or a batch and a hold of many, never wait for each other.
 * What was delivered once ends as delivered, however its replay went; the reason then tells how.
 */
export async function settleAttempts(
  pool: pg.Pool,
  attempts: readonly AttemptToSettle[],
): Promise<SettleOutcome[]> {
  const bounds = idBounds(attempts.map(({ deliveryId }) => deliveryId));
  const ends = attempts.some(({ next }) => next.status === 'dead_lettered' || next.status === 'cancelled');
  const { rows } = await pool.query<{ id: string }>({
    name: ends ? 'settle_attempts_that_end' : 'settle_attempts',
    text: ends ? THAT_END : STATEMENT,
    values: [
      attempts.map((attempt) => attempt.deliveryId),
      attempts.map((attempt) => attempt.generation),
      attempts.map((attempt) => attempt.number),
      attempts.map((attempt) => attempt.trigger),
      attempts.map((attempt) => attempt.status),
      attempts.map((attempt) => attempt.responseCode),
      attempts.map((attempt) => attempt.latencyMs),
      attempts.map((attempt) => attempt.errorCode),
      attempts.map((attempt) => attempt.errorMessage),
      attempts.map((attempt) => attempt.requestHeaders),
      attempts.map((attempt) => attempt.responseHeaders),
      attempts.map((attempt) => attempt.responseBody),
      attempts.map((attempt) => attempt.responseTruncated),
      attempts.map((attempt) => attempt.address),
      attempts.map((attempt) => attempt.startedAtMs),
      attempts.map(({ next }) => next.status),
      attempts.map(({ next }) => next.reason),
      attempts.map(({ next }) => next.waitingFor),
      attempts.map(({ next }) => next.nextAttemptAtMs),
      attempts.map(({ next }) => next.nextBecause),
      attempts.map(({ next }) => next.finishedAtMs),
      bounds.min,
      bounds.max,
      attempts.map(({ next }) => next.expiresAtMs),
    ],
  });
  const settled = new Set(rows.map(({ id }) => id));
  return attempts.map(({ deliveryId }) => (settled.has(deliveryId) ? 'settled' : 'conflict'));
}

// The ids are given three times over: as ANY for the plan (without it the range between the oldest and the newest id is
// read, a whole day for two retries), as bounds to prune partitions, as a join to move each row by its own values. What
// the rows must be is asked of the locked ones: a condition on the status here would draw in the partial index of pending
// rows, which is small by its statistics and long with entries that were left behind.
const MOVED_AND_RECORDED = `
WITH input AS (
  SELECT * FROM unnest(
    $1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::int[], $7::int[], $8::text[], $9::text[], $10::json[],
    $11::json[], $12::bytea[], $13::bool[], $14::text[], $15::bigint[], $16::text[], $17::text[], $18::text[],
    $19::bigint[], $20::text[], $21::bigint[], $24::bigint[]
  ) AS t (
    delivery_id, generation, number, trigger, status, response_code, latency_ms, error_code, error_message, request_headers,
    response_headers, response_body, response_truncated, address, started_ms, next_status, next_reason, waiting_for,
    next_attempt_ms, next_because, finished_ms, expires_ms
  )
), locked AS MATERIALIZED (
  SELECT d.id, d.status, d.generation, d.attempts FROM delivery d
   WHERE d.id = ANY ($1::uuid[]) AND d.id BETWEEN $22 AND $23
   ORDER BY d.id FOR UPDATE
), moved AS (
  UPDATE delivery d
     SET status = CASE WHEN d.delivered_at IS NOT NULL AND i.finished_ms IS NOT NULL THEN 'delivered' ELSE i.next_status END,
         attempts = i.number,
         reason = i.next_reason,
         waiting_for = i.waiting_for,
         next_attempt_at = to_timestamp(i.next_attempt_ms / 1000.0),
         last_attempt_at = to_timestamp(i.started_ms / 1000.0),
         last_response_code = i.response_code,
         last_error = i.error_code,
         finished_at = CASE WHEN i.finished_ms IS NOT NULL AND i.next_status <> 'delivered' THEN COALESCE(d.delivered_at, to_timestamp(i.finished_ms / 1000.0))
                            ELSE to_timestamp(i.finished_ms / 1000.0) END,
         expires_at = COALESCE(to_timestamp(i.expires_ms / 1000.0), d.expires_at)
    FROM input i JOIN locked l ON l.id = i.delivery_id
   WHERE d.id = i.delivery_id AND d.id = ANY ($1::uuid[]) AND d.id BETWEEN $22 AND $23
     AND l.status = 'pending' AND l.generation = i.generation AND l.attempts = i.number - 1
  RETURNING ${ENDING_COLUMNS}
), recorded AS (
  INSERT INTO attempt (
    delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message, request_headers,
    response_headers, response_body, response_truncated, address, started_at, next_attempt_at, next_because
  )
  SELECT delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message, request_headers,
         response_headers, response_body, response_truncated, address, to_timestamp(started_ms / 1000.0),
         to_timestamp(next_attempt_ms / 1000.0), next_because
    FROM input
   WHERE (delivery_id IN (SELECT id FROM moved)) IS TRUE
)`;
const STATEMENT = `${MOVED_AND_RECORDED} SELECT id FROM moved`;
/** The same with a note of the ends; most batches have none and are spared it. */
const THAT_END = `${MOVED_AND_RECORDED}, ${NOTE_ENDS} SELECT id FROM moved`;

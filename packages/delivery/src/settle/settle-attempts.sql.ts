import { byDay, type DayTables } from '@posthorn/database';
import type { AttemptStatus, AttemptTrigger, DeliveryStatus, WaitingFor } from '@posthorn/domain';
import type pg from 'pg';

import { EXPIRED_REASON } from './expired-reason.sql.js';
import { OUTCOME_COLUMNS, RECORD_OUTCOMES } from './record-outcomes.sql.js';

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
  resent: boolean;
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
 * Records attempts and moves their deliveries on, those of one day in one statement, so in one transaction and one round
 * trip. When it rejects, those of another day may be settled; asked again they are a conflict, which tells so.
 * Deliveries are locked in id order: two batches, or a batch and a hold of many, never wait for each other.
 * What was delivered once ends as delivered, however its replay went; its attempts say how.
 */
export function settleAttempts(
  pool: pg.Pool,
  attempts: readonly AttemptToSettle[],
): Promise<SettleOutcome[]> {
  return byDay(attempts, ({ deliveryId }) => deliveryId, settleDay, 'conflict');

  async function settleDay(tables: DayTables, some: readonly AttemptToSettle[]): Promise<SettleOutcome[]> {
    const ends = some.some(({ next }) => next.status === 'dead_lettered' || next.status === 'cancelled');
    const { rows } = await pool.query<{ id: string }>({
      name: `settle_attempts${ends ? '_that_end' : ''}${tables.statementSuffix}`,
      text: ends ? endingStatement(tables) : statement(tables),
      values: columnsOf(some),
    });
    const settled = new Set(rows.map(({ id }) => id));
    return some.map(({ deliveryId }) => (settled.has(deliveryId) ? 'settled' : 'conflict'));
  }
}

function columnsOf(attempts: readonly AttemptToSettle[]): unknown[][] {
  return [
    attempts.map(({ deliveryId }) => deliveryId),
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
    attempts.map(({ next }) => next.expiresAtMs),
    attempts.map((attempt) => attempt.resent),
  ];
}

// Rows are looked up one by one, which FOR UPDATE keeps the planner from turning into a join, and moved by the ids that
// were found: a condition by which it could read a range of the table instead is not there, nor one on the status, which
// would draw in the partial index of pending rows: small by its statistics, long with entries that were left behind.
const movedAndRecorded = ({ delivery, attempt, firstId, lastId }: DayTables, reason: string): string => `
WITH locked AS MATERIALIZED (
  SELECT wanted.*, d.status AS was_status, d.generation AS was_generation, d.attempts AS was_attempts
    FROM (
      SELECT * FROM unnest(
        $1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::int[], $7::int[], $8::text[], $9::text[], $10::json[],
        $11::json[], $12::bytea[], $13::bool[], $14::text[], $15::bigint[], $16::text[], $17::text[], $18::text[],
        $19::bigint[], $20::text[], $21::bigint[], $22::bigint[], $23::bool[]
      ) AS t (
        delivery_id, generation, number, trigger, status, response_code, latency_ms, error_code, error_message,
        request_headers, response_headers, response_body, response_truncated, address, started_ms, next_status,
        next_reason, waiting_for, next_attempt_ms, next_because, finished_ms, expires_ms, resent
      )
       WHERE delivery_id BETWEEN '${firstId}' AND '${lastId}'
       ORDER BY delivery_id
    ) AS wanted
   CROSS JOIN LATERAL (
     SELECT status, generation, attempts FROM ${delivery} WHERE id = wanted.delivery_id FOR UPDATE
   ) d
), moved AS (
  UPDATE ${delivery} d
     SET status = CASE WHEN d.delivered_at IS NOT NULL AND i.finished_ms IS NOT NULL THEN 'delivered' ELSE i.next_status END,
         attempts = i.number,
         reason = CASE WHEN d.delivered_at IS NULL OR i.finished_ms IS NULL THEN ${reason} END,
         waiting_for = i.waiting_for,
         next_attempt_at = to_timestamp(i.next_attempt_ms / 1000.0),
         last_attempt_at = to_timestamp(i.started_ms / 1000.0),
         last_response_code = i.response_code,
         last_error = i.error_code,
         finished_at = CASE WHEN i.finished_ms IS NOT NULL AND i.next_status <> 'delivered' THEN COALESCE(d.delivered_at, to_timestamp(i.finished_ms / 1000.0))
                            ELSE to_timestamp(i.finished_ms / 1000.0) END,
         expires_at = COALESCE(to_timestamp(i.expires_ms / 1000.0), d.expires_at)
    FROM locked i
   WHERE d.id = i.delivery_id
     AND i.was_status = 'pending' AND i.was_generation = i.generation AND i.was_attempts = i.number - 1
  RETURNING ${OUTCOME_COLUMNS}
), recorded AS (
  INSERT INTO ${attempt} (
    delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message, request_headers,
    response_headers, response_body, response_truncated, address, resent, started_at, next_attempt_at, next_because
  )
  SELECT delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message, request_headers,
         response_headers, response_body, response_truncated, address, resent, to_timestamp(started_ms / 1000.0),
         to_timestamp(next_attempt_ms / 1000.0), next_because
    FROM locked
   WHERE (delivery_id IN (SELECT id FROM moved)) IS TRUE
)`;
const statement = (tables: DayTables): string =>
  `${movedAndRecorded(tables, 'i.next_reason')} SELECT id FROM moved`;
/** The same with a note of the ends; most batches have none and are spared it. */
const endingStatement = (tables: DayTables): string =>
  `${movedAndRecorded(tables, ENDING_REASON)}, ${RECORD_OUTCOMES} SELECT id FROM moved`;
const ENDING_REASON = `CASE WHEN i.next_reason = 'expired' THEN ${EXPIRED_REASON} ELSE i.next_reason END`;

import { inTransaction } from '@posthorn/database';
import type { DeliveryStatus } from '@posthorn/domain';
import type pg from 'pg';

import type { AttemptToSettle } from './settle-attempts.sql.js';

export type ConflictOutcome =
  | { kind: 'gone' }
  | { kind: 'already_settled' }
  /** By an attempt that decided nothing, of an earlier generation: this one is to be settled under the next number. */
  | { kind: 'number_taken'; number: number }
  | {
      kind: 'recorded';
      number: number;
      overlapped: boolean;
      status: DeliveryStatus;
      generation: number;
      /** While pending. */
      nextAttemptAtMs: number | null;
    };

/**
 * Records an attempt whose delivery changed while it was being sent. A success makes the delivery delivered all the same,
 * also one that was cancelled or given up meanwhile: the customer has the event. Anything else leaves the delivery as whoever changed it left it. An attempt whose number
 * was taken by another (its lock was lost while sending) is kept as `overlapped` under the next number.
 */
export function settleConflictedAttempt(pool: pg.Pool, attempt: AttemptToSettle): Promise<ConflictOutcome> {
  return inTransaction(pool, (client) => record(client, attempt));
}

async function record(client: pg.PoolClient, attempt: AttemptToSettle): Promise<ConflictOutcome> {
  const { rows } = await client.query<{
    status: DeliveryStatus;
    attempts: number;
    generation: number;
    next_attempt_at: Date | null;
  }>('SELECT status, attempts, generation, next_attempt_at FROM delivery WHERE id = $1 FOR UPDATE', [
    attempt.deliveryId,
  ]);
  const delivery = rows[0];
  if (!delivery) return { kind: 'gone' };
  if (await isRecorded(client, attempt)) return { kind: 'already_settled' };

  const undecided =
    delivery.status === 'pending' &&
    delivery.generation === attempt.generation &&
    delivery.next_attempt_at?.getTime() === attempt.dueAtMs;
  if (undecided) return { kind: 'number_taken', number: delivery.attempts };

  const overlapped = delivery.attempts >= attempt.number;
  const number = delivery.attempts + 1;
  const ends = attempt.status === 'delivered' && delivery.status !== 'delivered';
  await client.query(
    `INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message,
       request_headers, response_headers, response_body, response_truncated, address, resent, started_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, to_timestamp($15::bigint / 1000.0))`,
    [
      attempt.deliveryId,
      number,
      attempt.trigger,
      overlapped ? 'overlapped' : attempt.status,
      attempt.responseCode,
      attempt.latencyMs,
      attempt.errorCode,
      attempt.errorMessage,
      attempt.requestHeaders,
      attempt.responseHeaders,
      attempt.responseBody,
      attempt.responseTruncated,
      attempt.address,
      attempt.resent,
      attempt.startedAtMs,
    ],
  );
  await client.query(
    `UPDATE delivery
        SET attempts = $2, attempts_before = attempts_before + $6,
            replayed_after = CASE WHEN replayed_after = attempts THEN $2 ELSE replayed_after END, last_attempt_at = to_timestamp($3::bigint / 1000.0),
            last_response_code = $4, last_error = $5
      WHERE id = $1`,
    // An overlapped attempt spends none of the retry budget.
    [
      attempt.deliveryId,
      number,
      attempt.startedAtMs,
      attempt.responseCode,
      attempt.errorCode,
      overlapped ? 1 : 0,
    ],
  );
  if (ends) {
    await client.query(
      `UPDATE delivery SET status = 'delivered', reason = NULL, waiting_for = NULL, next_attempt_at = NULL, finished_at = now()
        WHERE id = $1`,
      [attempt.deliveryId],
    );
  }
  return {
    kind: 'recorded',
    number,
    overlapped,
    status: ends ? 'delivered' : delivery.status,
    generation: delivery.generation,
    nextAttemptAtMs: ends ? null : (delivery.next_attempt_at?.getTime() ?? null),
  };
}

/** True when this very attempt is in its place: its statement committed, but the answer was lost and it was sent again. */
async function isRecorded(client: pg.PoolClient, attempt: AttemptToSettle): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM attempt
      WHERE delivery_id = $1 AND number = $2 AND started_at = to_timestamp($3::bigint / 1000.0)
        AND latency_ms = $4 AND status = $5`,
    [attempt.deliveryId, attempt.number, attempt.startedAtMs, attempt.latencyMs, attempt.status],
  );
  return rowCount === 1;
}

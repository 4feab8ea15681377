import { type DatabasePool, isDatabaseUnavailable } from '@posthorn/database';
import {
  encodeId,
  uuidTimeMs,
  type AttemptTrigger,
  type NextStep,
  type RecordedOutcome,
} from '@posthorn/domain';
import { createGroupCommit, type Clock, type Logger } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LoadedDelivery } from '../attempt/load-deliveries.sql.js';
import { settleAttempts, type AttemptToSettle, type SettleOutcome } from './settle-attempts.sql.js';
import { settleConflictedAttempt, type ConflictOutcome } from './settle-conflicted-attempt.sql.js';

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 2_000;

export interface AttemptToRecord {
  delivery: LoadedDelivery;
  trigger: AttemptTrigger;
  outcome: RecordedOutcome;
  recordedHeaders: Record<string, string>;
  step: SettledStep;
}

/** What the attempt decided, or that its endpoint was deleted meanwhile. */
export type SettledStep = NextStep | { readonly kind: 'cancel'; readonly reason: 'endpoint_deleted' };

/**
 * `recorded`: with the time of the delivery's next attempt under the same generation, if it is to have one; also where
 * another attempt had already decided (`overtaken`). `given_up`: the signal came before Postgres did.
 */
export type Settlement =
  { kind: 'recorded'; nextAttemptAtMs: number | null; overtaken?: true } | { kind: 'given_up' };

export interface DeliverySettler {
  /**
   * Records the attempt and moves the delivery on, in one transaction shared with the attempts that end at the same
   * time. Waits for Postgres as long as `signal` allows (the job's lock), so that BullMQ hears of nothing that is not
   * committed.
   */
  settle(attempt: AttemptToRecord, signal: AbortSignal): Promise<Settlement>;
  /** What an answer asks for besides: waits for Postgres in the same way. Undefined when the signal came first. */
  untilDone<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined>;
  idle(): Promise<void>;
}

export interface DeliverySettlerDeps {
  pool: DatabasePool;
  clock: Clock;
  logger: Logger;
  /** How long after its event a delivery may be held. */
  holdLimitMs: number;
}

export function createDeliverySettler({
  pool,
  clock,
  logger,
  holdLimitMs,
}: DeliverySettlerDeps): DeliverySettler {
  const commit = createGroupCommit<AttemptToSettle, SettleOutcome>({
    commit: (attempts) => settleAttempts(pool, attempts),
    overlapAfterMs: 10,
    gatherMs: 10,
    // While Postgres is away no smaller batch would do better; each attempt waits and asks again by itself.
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });

  const untilDone = createPersistence(logger);

  return {
    async settle(attempt, signal) {
      for (let row = toRow(attempt, clock.nowMs(), holdLimitMs); ;) {
        const asked = row;
        const outcome = await untilDone(() => commit(asked), signal);
        if (outcome === undefined) return { kind: 'given_up' };
        if (outcome === 'settled') return { kind: 'recorded', nextAttemptAtMs: row.next.nextAttemptAtMs };

        const conflict = await untilDone(() => settleConflictedAttempt(pool, asked), signal);
        if (conflict === undefined) return { kind: 'given_up' };
        if (conflict.kind !== 'number_taken') return afterConflict(conflict, row, logger);
        row = { ...row, number: conflict.number + 1 };
      }
    },
    untilDone,
    idle: () => commit.idle(),
  };
}

function afterConflict(
  conflict: Exclude<ConflictOutcome, { kind: 'number_taken' }>,
  row: AttemptToSettle,
  logger: Logger,
): Settlement {
  // The statement had committed although its answer was lost on the way.
  if (conflict.kind === 'already_settled')
    return { kind: 'recorded', nextAttemptAtMs: row.next.nextAttemptAtMs };
  logger.info('delivery.attempt_superseded', {
    delivery_id: encodeId('dlv', row.deliveryId),
    number: row.number,
    outcome: conflict.kind,
  });
  const stillOurs = conflict.kind === 'recorded' && conflict.generation === row.generation;
  return { kind: 'recorded', nextAttemptAtMs: stillOurs ? conflict.nextAttemptAtMs : null, overtaken: true };
}

/** Tries until it is done or the signal comes. It logs once when that begins and once when it ends: thousands may be waiting. */
function createPersistence(logger: Logger) {
  let failing = false;
  return async function untilDone<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        const result = await work();
        if (failing) logger.info('delivery.settle_recovered');
        failing = false;
        return result;
      } catch (error) {
        if (!failing) logger.warn('delivery.settle_failed', { error, retry_in_ms: waitMs });
        failing = true;
        await sleep(waitMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return undefined;
      }
    }
  };
}

function toRow(
  { delivery, trigger, outcome, recordedHeaders, step }: AttemptToRecord,
  nowMs: number,
  heldMs: number,
): AttemptToSettle {
  return {
    deliveryId: delivery.deliveryId,
    generation: delivery.generation,
    number: delivery.attempts + 1,
    dueAtMs: delivery.nextAttemptAtMs,
    trigger,
    status: outcome.status,
    responseCode: outcome.responseCode,
    latencyMs: Math.round(outcome.latencyMs),
    errorCode: outcome.error?.code ?? null,
    errorMessage: outcome.error?.message ?? null,
    requestHeaders: JSON.stringify(recordedHeaders),
    responseHeaders: outcome.responseHeaders && JSON.stringify(outcome.responseHeaders),
    responseBody: outcome.responseBody,
    responseTruncated: outcome.responseTruncated,
    address: outcome.address,
    resent: outcome.resent,
    startedAtMs: outcome.startedAt.getTime(),
    next: toNext(step, nowMs, uuidTimeMs(delivery.deliveryId) + heldMs),
  };
}

function toNext(step: SettledStep, nowMs: number, heldUntilMs: number): AttemptToSettle['next'] {
  const ended = {
    expiresAtMs: null,
    waitingFor: null,
    nextAttemptAtMs: null,
    nextBecause: null,
    finishedAtMs: nowMs,
  };
  switch (step.kind) {
    case 'delivered':
      return { ...ended, status: 'delivered', reason: null };
    case 'dead_letter':
      return { ...ended, status: 'dead_lettered', reason: step.reason };
    case 'cancel':
      return { ...ended, status: 'cancelled', reason: step.reason };
    case 'disable_endpoint':
      return {
        ...ended,
        status: 'held',
        reason: 'endpoint_disabled',
        finishedAtMs: null,
        expiresAtMs: heldUntilMs,
      };
    case 'retry':
      return {
        status: 'pending',
        reason: null,
        waitingFor: 'retry',
        nextAttemptAtMs: nowMs + step.delayMs,
        nextBecause: step.because,
        finishedAtMs: null,
        expiresAtMs: null,
      };
  }
}

import { type DatabaseClock, isDatabaseUnavailable } from '@posthorn/database';
import { createGroupCommit, GroupCommitOverloaded } from '@posthorn/runtime';

import type { FirstEventToFind } from './find-first-events.sql.js';
import { keyHashesOf } from './idempotency.js';
import type { OneShotInsertOutcome } from './insert-one-shots.sql.js';
import { OverflowRefused } from './overflow-queue.js';

/** Limit for routes that change faster than they are read, and for first requests that roll back. */
const TRIES_MAX = 8;
const HOUR_MS = 3_600_000;

export interface ClaimedKeys {
  keyHashes: Buffer[];
  requestHash: Buffer | null;
}

/** Why an event or a one-shot was not accepted. */
export type Refused =
  | { kind: 'unknown_customer' }
  | { kind: 'idempotency_conflict' }
  /** `fan_out`: the customer's events come to more deliveries than can be committed now, whatever the others do. */
  | { kind: 'unavailable'; because: 'database' | 'overload' | 'fan_out' };

interface Input {
  customerId: string;
  idempotencyKey: string | null;
  externalId?: string | null;
}

export interface AcceptOnceOptions<I extends Input, Inserted, First, Accepted> {
  clock: DatabaseClock;
  idempotencyWindowHours: number;
  waitingMax: number;
  hashOf(input: I): Buffer;
  /** Undefined: there is no such customer. */
  insert(input: I, keys: ClaimedKeys): Promise<Inserted | undefined>;
  accepted(inserted: Inserted): Accepted;
  /** The first requests that hold the keys of others. */
  findFirsts(
    wanted: readonly FirstEventToFind[],
    days: { sinceMs: number; untilMs: number },
  ): Promise<(First | undefined)[]>;
  repeated(input: I, first: First): Accepted;
  /** What is cached of the customer was wrong. */
  dropCaches(customerId: string, outcome: OneShotInsertOutcome): void;
  logUnavailable(error: unknown): void;
  logRecovered(): void;
}

/** What accepting an event and a one-shot have in common: a request with the same key is accepted once, and every refusal is a value. */
export function createAcceptOnce<
  I extends Input,
  Inserted extends { outcome: OneShotInsertOutcome },
  First extends { requestHash: Buffer },
  Accepted,
>(options: AcceptOnceOptions<I, Inserted, First, Accepted>): (input: I) => Promise<Accepted | Refused> {
  const { clock, waitingMax, hashOf, insert, findFirsts } = options;
  const windowMs = options.idempotencyWindowHours * HOUR_MS;
  let failing = false;

  // Repeats come in storms, after an outage of the producer's: they must not take the pool from new events.
  const findFirst = createGroupCommit<FirstEventToFind, First | undefined>({
    commit: (wanted) => {
      const nowMs = clock.nowMs();
      return findFirsts(wanted, { sinceMs: nowMs - windowMs, untilMs: nowMs });
    },
    concurrencyMax: 1,
    queueMax: waitingMax,
    isRetryableRowByRow: () => false,
  });

  return async function acceptOnce(input) {
    try {
      const outcome = await insertOrFindFirst(input);
      if (failing) options.logRecovered();
      failing = false;
      return outcome;
    } catch (error) {
      if (error instanceof GroupCommitOverloaded) return { kind: 'unavailable', because: 'overload' };
      if (error instanceof OverflowRefused) return { kind: 'unavailable', because: 'fan_out' };
      if (!isDatabaseUnavailable(error)) throw error;
      // Once for each outage: thousands may be waiting.
      if (!failing) options.logUnavailable(error);
      failing = true;
      return { kind: 'unavailable', because: 'database' };
    }
  };

  async function insertOrFindFirst(input: I): Promise<Accepted | Refused> {
    const { customerId } = input;
    const keyHashes = keyHashesOf(input);
    const requestHash = keyHashes.length > 0 ? hashOf(input) : null;
    const keys = { keyHashes, requestHash };
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const inserted = await insert(input, keys);
      if (!inserted) return { kind: 'unknown_customer' };
      const { outcome } = inserted;
      if (outcome === 'accepted') return options.accepted(inserted);
      if (outcome !== 'duplicate') {
        options.dropCaches(customerId, outcome);
        if (outcome === 'unknown_customer') return { kind: 'unknown_customer' };
        continue;
      }
      const first = await findFirst({ customerId, keyHashes });
      if (!first) continue;
      if (requestHash && !first.requestHash.equals(requestHash)) return { kind: 'idempotency_conflict' };
      return options.repeated(input, first);
    }
    return { kind: 'unavailable', because: 'overload' };
  }
}

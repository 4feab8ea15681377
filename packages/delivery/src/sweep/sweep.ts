import type { DatabaseConnection, DatabasePool } from '@posthorn/database';
import type { DeliveryJob } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import { findDueDeliveries, type DueCursor, type DueDelivery } from './find-due-deliveries.sql.js';
import { cursorAt, slowPassRowsMax, startSlowPassWhenDue } from './sweep-pace.js';
import {
  loadSweepState,
  lockSweep,
  saveSweepState,
  sweepStart,
  unlockSweep,
  type SweepState,
} from './sweep-state.sql.js';

const PAGE_ROWS = 250;
/** After so many pages of a walk it is the next one's turn, and the loss marker is looked at again. */
const PAGES_MAX = 50;
/**
 * While a customer's backlog waits honestly, reading it is not to be felt by the deliveries of others. After a loss, and
 * where something was missing, there are no pauses.
 */
const PAUSE_FACTOR = 3;
/**
 * How long after the time it names a row may be committed and still be found by the second walk: accepting waits for a
 * connection (5 s) and twice for a statement (20 s) at most; a large event for its pieces (15 s), the last statement and
 * the commit. What is later yet is the slow pass's.
 */
const SECOND_WALK_AFTER_MS = 60_000;
/** Beyond the time to the next pass: a delivery that is looked at so long before it is due is in the queue in time. */
const LOOK_AHEAD_MS = 25_000;

export interface SweepQueue {
  enqueue(jobs: readonly DeliveryJob[]): Promise<void>;
  announce(jobs: readonly DeliveryJob[]): Promise<void>;
  jobStates(jobs: readonly DeliveryJob[]): Promise<{ missing: DeliveryJob[]; delayed: DeliveryJob[] }>;
  makeDueNow(jobs: readonly DeliveryJob[]): Promise<void>;
  renewLossMarker(known: string | null): Promise<{ marker: string; lost: boolean }>;
}

export interface SweepDeps {
  pool: DatabasePool;
  queue: SweepQueue;
  logger: Logger;
  /** Names the row that the sweep's state is kept in: the queue's key prefix. */
  shard: string;
  /** A delivery this much past its due time should have been attempted. */
  graceMs: number;
  /** How often it runs. */
  intervalMs: number;
  /** A page that finds nothing wrong is followed by a pause of so many times what it took. Default 3. */
  pauseFactor?: number;
}

export interface SweepResult {
  /** Redis may have lost something, or was never looked at: everything is walked from the oldest on. */
  lost: boolean;
  /** Rows read. */
  read: number;
  /** Of those that are due soon, enqueued in time because they waited in Postgres alone. */
  ahead: number;
  /** Of those that are past due, unknown to the queue and enqueued again. */
  enqueued: number;
  /** Script calls made in Redis. */
  scripts: number;
}

export interface Sweep {
  /**
   * One pass. Undefined when another process is sweeping. Ends early when the signal aborts; rejects when Postgres or
   * Redis does not answer. In both cases the next pass, here or elsewhere, goes on after the last page that was done.
   */
  run(signal: AbortSignal): Promise<SweepResult | undefined>;
}

/**
 * Enqueues what Postgres says is due and the queue does not know, and announces the rest: a job may be there while the
 * ready index has forgotten its customer. Walks over the pending deliveries in the order they are due, see
 * docs/adr/0007-the-sweep.md: one looks ahead and enqueues, with the time that is left, what waited in Postgres alone; the
 * first reads each once, soon after it is due, the second once more a minute later, for
 * rows that were committed behind the first; the slow one reads everything within a quarter of an hour. When Redis has
 * lost something, the first starts over at the oldest.
 */
export function createSweep({
  pool,
  queue,
  logger,
  shard,
  graceMs,
  intervalMs,
  pauseFactor = PAUSE_FACTOR,
}: SweepDeps): Sweep {
  return {
    async run(signal) {
      const client = await pool.connect();
      let failure: Error | undefined;
      // A connection that breaks while Redis is being asked says so here, and only here.
      const onError = (error: Error): void => void (failure = error);
      client.on('error', onError);
      try {
        if (!(await lockSweep(client, shard))) return undefined;
        const result = await sweepShard(client, signal);
        await unlockSweep(client, shard);
        if (result.enqueued > 0) logger.warn('sweep.enqueued', { shard, ...result });
        else logger.debug('sweep.passed', { shard, ...result });
        return result;
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(String(error));
        throw error;
      } finally {
        client.off('error', onError);
        // Closing the connection gives the lock back, too.
        client.release(failure);
      }
    },
  };

  async function sweepShard(client: DatabaseConnection, signal: AbortSignal): Promise<SweepResult> {
    const result: SweepResult = { lost: false, read: 0, ahead: 0, enqueued: 0, scripts: 0 };
    let more = true;
    while (more && !signal.aborted) {
      const { nowMs, state } = await loadSweepState(client, shard);
      const readAtMs = performance.now();
      await checkForLoss(state, result);
      startSlowPassWhenDue(state.slow, nowMs);
      const untilMs = nowMs - graceMs;
      // The rest of a long pass is not to make a retry late: what is left of its time is reckoned when it is enqueued.
      const databaseNowMs = (): number => nowMs + (performance.now() - readAtMs);
      const walk = walkOf(client, signal, state, result, databaseNowMs);
      // First, because it alone has a time to keep. What is due already is the others', after the grace: it may be on the
      // wire although Redis has lost its job.
      if (state.ahead.nextAttemptAtMs < nowMs) state.ahead = cursorAt(nowMs);
      const ahead = await walk('ahead', nowMs + LOOK_AHEAD_MS + intervalMs, PAGES_MAX * PAGE_ROWS);
      const first = await walk('first', untilMs, PAGES_MAX * PAGE_ROWS);
      const second = await walk('second', untilMs - SECOND_WALK_AFTER_MS, PAGES_MAX * PAGE_ROWS);
      more = !ahead.ended || !first.ended || !second.ended;
      if (!more && !state.slow.ended) {
        const slow = await walk('slow', untilMs, slowPassRowsMax(state.slow, nowMs, PAGE_ROWS));
        state.slow.ended = slow.ended;
      }
      await saveSweepState(client, shard, state);
    }
    return result;
  }

  /** Saved with the first page that is walked: until then the marker in Postgres does not match the one in Redis. */
  async function checkForLoss(state: SweepState, result: SweepResult): Promise<void> {
    const { marker, lost } = await queue.renewLossMarker(state.marker);
    result.scripts += 1;
    if (lost && state.marker !== null) logger.warn('sweep.queue_lost', { shard });
    state.marker = marker;
    if (!lost) return;
    result.lost = true;
    state.ahead = sweepStart;
    state.first = sweepStart;
  }

  function walkOf(
    client: DatabaseConnection,
    signal: AbortSignal,
    state: SweepState,
    result: SweepResult,
    databaseNowMs: () => number,
  ) {
    return async (name: Walk, untilMs: number, rowsMax: number): Promise<{ ended: boolean }> => {
      for (let rows = 0; rows < rowsMax && !signal.aborted;) {
        const beganMs = performance.now();
        const due = await findDueDeliveries(client, state[name], untilMs, PAGE_ROWS);
        const last = due.at(-1);
        const jobs = due.map((delivery) => toJob(delivery, databaseNowMs()));
        const changed = last ? await (name === 'ahead' ? bringInTime : restore)(jobs, result) : false;
        rows += due.length;
        result.read += due.length;
        if (name === 'slow') state.slow.read += due.length;
        if (!last || due.length < PAGE_ROWS) {
          // Up to here everything has been seen, so that the next pass reads nothing twice. It may be a step back: the
          // clock was set back, or another server's is behind, and what becomes due again is walked again.
          moveTo(state, name, cursorAt(untilMs));
          return { ended: true };
        }
        moveTo(state, name, { nextAttemptAtMs: last.nextAttemptAtMs, id: last.deliveryId });
        await saveSweepState(client, shard, state);
        if (!changed && !result.lost) await pause(pauseFactor * (performance.now() - beganMs), signal);
      }
      return { ended: false };
    };
  }

  /**
   * What the queue knows is announced by itself, in time; should that have been forgotten, the first walk will see. Says
   * whether there was anything to do, as `restore` does.
   */
  async function bringInTime(jobs: DeliveryJob[], result: SweepResult): Promise<boolean> {
    const { missing } = await queue.jobStates(jobs);
    if (missing.length > 0) await queue.enqueue(missing);
    result.ahead += missing.length;
    result.scripts += 1 + (missing.length > 0 ? missing.length + 1 : 0);
    return missing.length > 0;
  }

  async function restore(jobs: DeliveryJob[], result: SweepResult): Promise<boolean> {
    const { missing, delayed } = await queue.jobStates(jobs);
    if (missing.length > 0) await queue.enqueue(missing);
    // Due by Postgres, later by the queue: a recovery brought them forward in the one and was cut short before the other.
    if (delayed.length > 0) await queue.makeDueNow(delayed);
    await queue.announce(jobs);
    result.enqueued += missing.length;
    result.scripts += 2 + (missing.length > 0 ? missing.length + 1 : 0) + delayed.length;
    return missing.length + delayed.length > 0;
  }
}

/** A stop ends it. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

type Walk = 'ahead' | 'first' | 'second' | 'slow';

function moveTo(state: SweepState, name: Walk, cursor: DueCursor): void {
  if (name === 'slow') Object.assign(state.slow, cursor);
  else state[name] = cursor;
}

function toJob({ nextAttemptAtMs, ...delivery }: DueDelivery, nowMs: number): DeliveryJob {
  return { ...delivery, delayMs: Math.max(0, nextAttemptAtMs - nowMs) };
}

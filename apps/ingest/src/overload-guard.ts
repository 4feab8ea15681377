import { AppError } from '@posthorn/http';
import type { AcceptLoad } from '@posthorn/delivery/accept';
import type { Logger } from '@posthorn/runtime';

import type { OverloadLimits } from './overload-limits.js';

export interface OverloadGuardDeps {
  acceptLoad: () => AcceptLoad;
  /** How many wait for a Postgres connection. */
  poolWaiting: () => number;
  limits: OverloadLimits;
  logger: Logger;
  random?: () => number;
}

export interface OverloadGuard {
  /** `unavailable` with `Retry-After` when this number of events cannot be taken now, otherwise null. */
  refusal(events: number): AppError | null;
  /** Counts what one request holds in memory. */
  hold(): BodyReservation;
  heldBytes(): number;
  close(): void;
}

export interface BodyReservation {
  /** The refusal when all requests together would hold too much; then these bytes are not counted. */
  add(bytes: number): AppError | null;
  /** The request is answered, or its client is gone and its events have been dealt with. */
  release(): void;
}

/**
 * Refuses events before the process falls over: when the event loop is late, when commits or connections are waited for
 * too long, or when bodies fill the memory. Every signal is a number that is there anyway; one timer measures the event
 * loop, none belongs to a request. It stops refusing when the cause is over.
 */
export function createOverloadGuard({
  acceptLoad,
  poolWaiting,
  limits,
  logger,
  random = Math.random,
}: OverloadGuardDeps): OverloadGuard {
  const lag = createLagMeter(limits.lagMsMax);
  let heldBytes = 0;
  let episode: { beganAtMs: number; lastAtMs: number; refused: number } | null = null;

  const timer = setInterval(() => {
    const nowMs = performance.now();
    lag.sample(nowMs);
    if (!episode || nowMs - episode.lastAtMs < episodeEndsAfterMs) return;
    const lastedMs = Math.round(episode.lastAtMs - episode.beganAtMs);
    logger.info('ingest.recovered', { refused: episode.refused, lasted_ms: lastedMs });
    episode = null;
  }, lagSampleMs);
  timer.unref();

  function reasonToRefuse(events: number): string | null {
    if (lag.isStanding()) return 'event_loop';
    const { waiting, waitedMs } = acceptLoad();
    if (waiting + events > limits.waitingMax || waitedMs > limits.waitedMsMax) return 'commits';
    if (poolWaiting() > limits.poolWaitingMax) return 'connections';
    return heldBytes > limits.bodiesBytesMax ? 'memory' : null;
  }

  function refuse(because: string): AppError {
    const nowMs = performance.now();
    if (!episode) {
      episode = { beganAtMs: nowMs, lastAtMs: nowMs, refused: 0 };
      const load = acceptLoad();
      logger.warn('ingest.overloaded', {
        because,
        lag_ms: Math.round(lag.ms()),
        waiting: load.waiting,
        waited_ms: load.waitedMs,
        pool_waiting: poolWaiting(),
        held_bytes: heldBytes,
      });
    }
    episode.refused++;
    episode.lastAtMs = nowMs;
    // Spread, so that those who were refused together do not come back together.
    return refusals[Math.floor(random() * refusals.length)] ?? soonest;
  }

  return {
    refusal(events) {
      const because = reasonToRefuse(events);
      return because === null ? null : refuse(because);
    },
    hold() {
      let held = 0;
      return {
        add(bytes) {
          if (heldBytes + bytes > limits.bodiesBytesMax) return refuse('memory');
          heldBytes += bytes;
          held += bytes;
          return null;
        },
        release() {
          heldBytes -= held;
          held = 0;
        },
      };
    },
    heldBytes: () => heldBytes,
    close: () => clearInterval(timer),
  };
}

/**
 * How late the event loop is. One stop (a collection, a frozen machine) is over when it is seen and refuses no request;
 * lateness stands when it is seen twice in a row, or again soon after it stood.
 */
function createLagMeter(lagMsMax: number) {
  let sampledAtMs = performance.now();
  let lagMs = 0;
  let lateInARow = 0;
  let stoodAtMs = -Infinity;
  return {
    sample(nowMs: number) {
      lagMs = Math.max(0, nowMs - sampledAtMs - lagSampleMs);
      sampledAtMs = nowMs;
      lateInARow = lagMs > lagMsMax ? lateInARow + 1 : 0;
      if (lateInARow === 1 && nowMs - stoodAtMs < lagRelapseMs) lateInARow = 2;
      if (lateInARow > 1) stoodAtMs = nowMs;
    },
    isStanding: () => lateInARow > 1,
    ms: () => lagMs,
  };
}

const lagSampleMs = 100;
const lagRelapseMs = 5_000;
/** Longer than any Retry-After: an episode is over when no producer that came back was refused again. */
const episodeEndsAfterMs = 6_000;

// Made once: refusing has to be cheaper than accepting, and a new error costs a stack trace.
const refusalFor = (seconds: number): AppError =>
  new AppError({
    code: 'unavailable',
    detail: 'Events arrive faster than they can be committed; try again later.',
    headers: { 'Retry-After': String(seconds) },
    logged: true,
  });
const soonest = refusalFor(1);
const refusals = [soonest, ...[2, 3, 4, 5].map(refusalFor)];

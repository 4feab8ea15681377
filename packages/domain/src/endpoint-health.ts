import type { BreakerState, StoredBreaker } from './breaker-state.js';
import type { WaitingFor } from './delivery.js';

/** What is known of an endpoint beyond its settings, as it outlives a process. */
export interface EndpointHealth extends StoredBreaker {
  /** It asked for a pause (Retry-After); nothing starts before. */
  readonly pausedUntilMs: number | null;
  /** It has recovered, and what waits for a retry time is being brought forward. */
  readonly draining: boolean;
  /** 0 to 100, see `nextHealthScore`. */
  readonly score: number;
}

export const HEALTHY: EndpointHealth = {
  openUntilMs: null,
  openings: 0,
  pausedUntilMs: null,
  draining: false,
  score: 100,
};

const newestShare = 0.05;

/**
 * The share of attempts that were delivered, in percent, newer ones weighing more: each outcome moves the score by 5 % of
 * the way to 100 or to 0. An endpoint begins at 100; about the last 60 attempts make 95 % of it.
 */
export function nextHealthScore(score: number, delivered: boolean): number {
  return score + newestShare * ((delivered ? 100 : 0) - score);
}

/** An endpoint may ask for more, but then only its delivery waits for so long. */
const pauseMaxMs = 10 * 60_000;

/** Until when an endpoint that asked for a pause of `askedMs` is left alone. */
export function pausedUntil(askedMs: number, nowMs: number): number {
  return nowMs + Math.min(askedMs, pauseMaxMs);
}

export interface EndpointHolds {
  readonly breaker: BreakerState;
  readonly pausedUntilMs: number | null;
  /** The endpoint or its customer has a rate limit. */
  readonly rateLimited: boolean;
}

/** A delivery that has been due for this long waits for a slot. */
const slotSoonMs = 1_000;

/** Why a pending delivery has not been sent yet, or null when it may be sent now. */
export function waitingForOf(
  nextAttemptAtMs: number,
  { breaker, pausedUntilMs, rateLimited }: EndpointHolds,
  nowMs: number,
): WaitingFor | null {
  if (nextAttemptAtMs > nowMs) return 'retry';
  if (breaker !== 'closed') return 'breaker';
  if ((pausedUntilMs ?? 0) > nowMs) return 'rate_limit';
  if (nextAttemptAtMs > nowMs - slotSoonMs) return null;
  return rateLimited ? 'rate_limit' : 'concurrency';
}

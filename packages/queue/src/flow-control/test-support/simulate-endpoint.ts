import { CircuitBreaker } from '../breaker.js';
import { type RetryPolicy, retryDelayMs } from '@posthorn/domain';
import { DueQueue } from './due-queue.js';

export interface SimulatedEndpoint {
  /** How a send ends that begins at a time, with this many under way beside it. */
  answer(atMs: number, underway: number): { ok: boolean; tookMs: number };
  maxInFlight: number;
  policy: RetryPolicy;
  /** When the events are accepted, in order. */
  eventsAtMs: readonly number[];
  untilMs: number;
  random: () => number;
  /** False: everything that is due is sent, as many at once as the endpoint may have. */
  breaker: boolean;
}

export interface SimulatedRun {
  sendsAtMs: number[];
  deliveredAtMs: number[];
}

interface Send {
  endsAtMs: number;
  ok: boolean;
  started: number;
  failedBefore: number;
}

/** After this long without an answer time allows more, as the slow start of lanes does. */
const PATIENCE_MS = 200;

/** One endpoint's lane on a clock of its own: limits and breaker as workers use them, nothing else takes time. */
export function simulateEndpoint({
  answer,
  maxInFlight,
  policy,
  eventsAtMs,
  untilMs,
  random,
  breaker: withBreaker,
}: SimulatedEndpoint): SimulatedRun {
  const breaker = new CircuitBreaker(random, maxInFlight);
  const run: SimulatedRun = { sendsAtMs: [], deliveredAtMs: [] };
  let nextFresh = 0;
  /** How often each has failed. */
  const retries = new DueQueue<number>();
  const underway: Send[] = [];
  let waitsSinceMs: number | null = null;

  for (let nowMs = 0; nowMs < untilMs;) {
    while (underway.length < maxInFlight && mayStart(nowMs)) {
      const failedBefore = takeDue(nowMs);
      if (failedBefore === null) break;
      const { ok, tookMs } = answer(nowMs, underway.length + 1);
      underway.push({ endsAtMs: nowMs + tookMs, ok, started: breaker.start(), failedBefore });
      run.sendsAtMs.push(nowMs);
    }
    const nextMs = Math.min(
      ...underway.map(({ endsAtMs }) => endsAtMs),
      nextDueMs(nowMs),
      nextPermissionMs(nowMs),
    );
    if (nextMs >= untilMs) break;
    nowMs = nextMs;
    for (const send of underway.filter(({ endsAtMs }) => endsAtMs <= nowMs)) end(send, nowMs);
  }
  return run;

  function mayStart(nowMs: number): boolean {
    if (!withBreaker) return true;
    if (breaker.waitsFor === 'first') breaker.raiseLimit(1);
    if (breaker.waitsFor !== 'more') waitsSinceMs = null;
    else if (waitsSinceMs !== null && nowMs >= waitsSinceMs + PATIENCE_MS) {
      breaker.raiseLimit(25);
      waitsSinceMs = null;
    } else waitsSinceMs ??= nowMs;
    return breaker.mayStart(nowMs);
  }

  /** How often the one that is due first has failed; null: none is due. */
  function takeDue(nowMs: number): number | null {
    const freshAtMs = eventsAtMs[nextFresh] ?? Infinity;
    if (retries.nextDueMs <= Math.min(nowMs, freshAtMs)) return retries.take() ?? null;
    if (freshAtMs > nowMs) return null;
    nextFresh++;
    return 0;
  }

  function nextDueMs(nowMs: number): number {
    if (underway.length >= maxInFlight) return Infinity;
    const dueMs = Math.min(retries.nextDueMs, eventsAtMs[nextFresh] ?? Infinity);
    const opensAtMs = withBreaker ? breaker.opensAtMs() : 0;
    const atMs = Math.max(dueMs, opensAtMs);
    return atMs > nowMs ? atMs : Infinity;
  }

  function nextPermissionMs(nowMs: number): number {
    return waitsSinceMs === null ? Infinity : Math.max(nowMs + 1, waitsSinceMs + PATIENCE_MS);
  }

  function end(send: Send, nowMs: number): void {
    underway.splice(underway.indexOf(send), 1);
    const change = withBreaker ? breaker.end(send.started, send.ok ? 'success' : 'failure', nowMs) : null;
    if (send.ok) run.deliveredAtMs.push(nowMs);
    const failed = send.failedBefore + 1;
    if (!send.ok && failed < policy.maxAttempts)
      retries.add(nowMs + retryDelayMs(policy, failed, random), failed);
    // Recovery makes due what waits for a retry.
    if (change === 'closed') retries.makeDue(nowMs);
  }
}

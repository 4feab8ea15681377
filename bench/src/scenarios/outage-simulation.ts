import { decideNextStep, resolveRetryPolicy, type RecordedOutcome } from '@posthorn/domain';
import { CircuitBreaker } from '@posthorn/queue';

import { createSeededRandom } from '../chaos/seeded-random.js';
import { isDown, STORY_HOURS, type Fate, type OutagePattern } from './outage-patterns.js';

const HOUR_MS = 3_600_000;
const ATTEMPT_MS = 50;

export interface SimulationPlan {
  endpoints: number;
  eventsPerEndpoint: number;
  seed: number;
  /** False: the retry policy alone. */
  breaker: boolean;
}

interface Simulated {
  madeMs: number;
  dueMs: number;
  attempts: number;
  firstFailed: boolean;
  waited: boolean;
}

/**
 * The day of the story at its true length, without a clock: the default retry policy and the breaker as workers use them,
 * one endpoint after the other. Left out is what does not decide here: limits, the ramp after a recovery, and that
 * several attempts may be underway.
 */
export function simulateOutage(pattern: OutagePattern, plan: SimulationPlan): Fate[] {
  const random = createSeededRandom(plan.seed);
  return Array.from({ length: plan.endpoints }, () => simulateEndpoint(pattern, plan, random.next)).flat();
}

function simulateEndpoint(
  pattern: OutagePattern,
  { eventsPerEndpoint, breaker: withBreaker }: SimulationPlan,
  random: () => number,
): Fate[] {
  const policy = resolveRetryPolicy(null);
  const breaker = new CircuitBreaker(random, 1);
  const fates: Fate[] = [];
  const open = Array.from({ length: eventsPerEndpoint }, (): Simulated => {
    const madeMs = random() * STORY_HOURS * HOUR_MS;
    return { madeMs, dueMs: madeMs, attempts: 0, firstFailed: false, waited: false };
  });
  let nowMs = 0;

  while (open.length > 0) {
    const next = open.reduce((first, one) => (one.dueMs < first.dueMs ? one : first));
    nowMs = Math.max(nowMs, next.dueMs);
    if (withBreaker && !breaker.mayStart(nowMs)) {
      nowMs = breaker.opensAtMs();
      for (const one of open) if (one.attempts === 0 && one.dueMs < nowMs) one.waited = true;
    }
    const started = breaker.start();
    const startedMs = nowMs;
    const failed = isDown(pattern, startedMs / HOUR_MS);
    nowMs += ATTEMPT_MS;
    next.attempts += 1;
    if (next.attempts === 1) next.firstFailed = failed;
    const change = breaker.end(started, failed ? 'failure' : 'success', nowMs);
    const step = decideNextStep({
      outcome: outcomeOf(failed, startedMs),
      failedAttempts: next.attempts,
      policy,
      nowMs,
      expiresAtMs: Infinity,
      random,
    });
    if (step.kind === 'retry') {
      next.dueMs = nowMs + step.delayMs;
    } else {
      open.splice(open.indexOf(next), 1);
      fates.push({
        pattern: pattern.name,
        madeHour: next.madeMs / HOUR_MS,
        firstFailed: next.firstFailed,
        waited: next.waited && !next.firstFailed,
        attempts: next.attempts,
        deliveredHour: step.kind === 'delivered' ? nowMs / HOUR_MS : Infinity,
      });
    }
    // What waits for a retry is brought forward when the breaker closes.
    if (withBreaker && change === 'closed')
      for (const one of open) if (one.attempts > 0) one.dueMs = Math.min(one.dueMs, nowMs);
  }
  return fates;
}

function outcomeOf(failed: boolean, startedMs: number): RecordedOutcome {
  return {
    status: failed ? 'failed' : 'delivered',
    responseCode: failed ? 503 : 200,
    responseHeaders: null,
    responseBody: null,
    responseTruncated: false,
    error: null,
    address: null,
    resent: false,
    latencyMs: ATTEMPT_MS,
    startedAt: new Date(startedMs),
  };
}

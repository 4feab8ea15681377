import { describe, expect, it } from '@jest/globals';
import type { AttemptFacts, RecordedOutcome } from './attempt-outcome.js';
import { decideNextStep, type NextStepInput } from './next-step.js';
import { retryAfterMaxMs } from './retry-after.js';

const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0);
const policy = { delaysSeconds: [10, 60], maxAttempts: 3, jitter: 0.1 };

describe('decideNextStep', () => {
  it('ends as delivered, even on the last attempt and past the expiry', () => {
    expect(decide({ outcome: outcome('delivered', 204), failedAttempts: 3, expiresAtMs: nowMs - 1 })).toEqual(
      {
        kind: 'delivered',
      },
    );
  });

  it.each([
    outcome('failed', 500),
    outcome('failed', 302),
    outcome('failed', null),
    outcome('timeout', null),
    outcome('refused', null),
  ])('retries after the delay of the policy: $status $responseCode', (failed) => {
    expect(decide({ outcome: failed })).toEqual({ kind: 'retry', delayMs: 10_000, because: 'policy' });
    expect(decide({ outcome: failed, failedAttempts: 2 })).toEqual({
      kind: 'retry',
      delayMs: 60_000,
      because: 'policy',
    });
  });

  it('draws the jitter from the given source', () => {
    expect(decide({ random: () => 0 })).toMatchObject({ delayMs: 9_000 });
    expect(decide({ random: () => 1 })).toMatchObject({ delayMs: 11_000 });
  });

  it('makes a dead letter of the delivery when the attempts are used up', () => {
    const step = { kind: 'dead_letter', reason: 'attempts_exhausted' };
    expect(decide({ failedAttempts: 3 })).toEqual(step);
    expect(decide({ failedAttempts: 4 })).toEqual(step);
    expect(decide({ failedAttempts: 1, policy: { ...policy, maxAttempts: 1 } })).toEqual(step);
  });

  it('makes a dead letter of the delivery when the next attempt would come after its expiry', () => {
    expect(decide({ expiresAtMs: nowMs + 9_999 })).toEqual({ kind: 'dead_letter', reason: 'expired' });
    expect(decide({ expiresAtMs: nowMs + 10_000 })).toMatchObject({ kind: 'retry' });
    expect(decide({ outcome: outcome('failed', 503, '60'), expiresAtMs: nowMs + 59_999 })).toEqual({
      kind: 'dead_letter',
      reason: 'expired_by_rate_limit',
    });
  });

  it('disables the endpoint on 410, also on the last attempt', () => {
    const step = { kind: 'disable_endpoint', reason: 'gone' };
    expect(decide({ outcome: outcome('failed', 410) })).toEqual(step);
    expect(decide({ outcome: outcome('failed', 410, '60'), failedAttempts: 3 })).toEqual(step);
  });

  it('does not disable the endpoint on a 410 whose body never came', () => {
    expect(decide({ outcome: outcome('timeout', 410) })).toMatchObject({ kind: 'retry' });
  });

  it.each([429, 503, 500, 404, 301])('lets Retry-After lengthen the delay: %i', (code) => {
    const step = { kind: 'retry', delayMs: 25_000, because: 'retry_after' };
    expect(decide({ outcome: outcome('failed', code, '25') })).toEqual(step);
    expect(decide({ outcome: outcome('failed', code, 'Fri, 20 Nov 2026 12:00:25 GMT') })).toEqual(step);
  });

  it('never lets Retry-After shorten the delay', () => {
    const step = { kind: 'retry', delayMs: 10_000, because: 'policy' };
    for (const value of ['0', '9', '10', 'nonsense', 'Thu, 19 Nov 2026 12:00:00 GMT']) {
      expect(decide({ outcome: outcome('failed', 429, value) })).toEqual(step);
    }
  });

  it('caps Retry-After at six hours, but not the policy', () => {
    expect(decide({ outcome: outcome('failed', 429, '999999') })).toMatchObject({ delayMs: retryAfterMaxMs });
    const patient = { delaysSeconds: [86_400], maxAttempts: 3, jitter: 0 };
    expect(decide({ outcome: outcome('failed', 429, '999999'), policy: patient })).toEqual({
      kind: 'retry',
      delayMs: 86_400_000,
      because: 'policy',
    });
  });

  it('ignores Retry-After beside a 2xx whose body timed out', () => {
    expect(decide({ outcome: outcome('timeout', 200, '25') })).toMatchObject({ delayMs: 10_000 });
    expect(decide({ outcome: outcome('timeout', 503, '25') })).toMatchObject({ delayMs: 25_000 });
  });
});

function decide(input: Partial<NextStepInput>) {
  return decideNextStep({
    outcome: outcome('failed', 500),
    failedAttempts: 1,
    policy,
    nowMs,
    expiresAtMs: nowMs + 30 * 86_400_000,
    random: () => 0.5,
    ...input,
  });
}

function outcome(
  status: RecordedOutcome['status'],
  responseCode: number | null,
  retryAfter?: string,
): RecordedOutcome {
  const facts: AttemptFacts = {
    responseCode,
    responseHeaders:
      responseCode === null ? null : retryAfter === undefined ? {} : { 'retry-after': retryAfter },
    responseBody: null,
    responseTruncated: false,
    error: null,
    address: null,
    resent: false,
    latencyMs: 1,
    startedAt: new Date(nowMs),
  };
  return { status, ...facts };
}

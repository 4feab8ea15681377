import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  parkedMaxMs,
  resolveRetryPolicy,
  retryDelayMs,
  type RetryPolicy,
  type RetryPolicyInput,
  retryPolicyLimits,
  retryPolicyProblem,
  retryPresets,
  retrySpanMs,
} from './retry-policy.js';

const noJitter = () => 0.5;
const hour = 3_600_000;

describe('resolveRetryPolicy', () => {
  it('is 12 attempts over 23 h 52 m 35 s by default', () => {
    const policy = resolveRetryPolicy(null);
    expect(policy.maxAttempts).toBe(12);
    expect(delaysMs(policy).map((ms) => ms / 1000)).toEqual([
      5, 30, 120, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 36_000,
    ]);
    expect(sum(delaysMs(policy))).toBe(23 * hour + 52 * 60_000 + 35_000);
    expect(resolveRetryPolicy({})).toEqual(policy);
    expect(resolveRetryPolicy({ preset: 'default' })).toEqual(policy);
  });

  it('tries again after 23 h 30 m of downtime by default, even when every draw is the shortest', () => {
    expect(sum(delaysMs(resolveRetryPolicy(null), () => 0))).toBeGreaterThan(23.5 * hour);
  });

  it('lets any subset of the fields override the preset', () => {
    const policy = resolveRetryPolicy(null);
    expect(resolveRetryPolicy({ maxAttempts: 3 })).toEqual({ ...policy, maxAttempts: 3 });
    expect(resolveRetryPolicy({ jitter: 0 })).toEqual({ ...policy, jitter: 0 });
    expect(resolveRetryPolicy({ delaysSeconds: [60] })).toEqual({ ...policy, delaysSeconds: [60] });
    expect(resolveRetryPolicy({ preset: 'fast', maxAttempts: 2 })).toEqual({
      ...resolveRetryPolicy({ preset: 'fast' }),
      maxAttempts: 2,
    });
  });

  it('repeats the last delay of a list past its end', () => {
    const policy = resolveRetryPolicy({ delaysSeconds: [60, 300, 1800, 7200, 21_600], maxAttempts: 8 });
    expect(delaysMs(policy).map((ms) => ms / 1000)).toEqual([60, 300, 1800, 7200, 21_600, 21_600, 21_600]);
  });

  it('grows from base by factor up to max', () => {
    const policy = resolveRetryPolicy({ baseSeconds: 10, factor: 3, maxSeconds: 200, maxAttempts: 6 });
    expect(delaysMs(policy).map((ms) => ms / 1000)).toEqual([10, 30, 90, 200, 200]);
  });

  it('fills what base, factor and max leave open', () => {
    const policy = resolveRetryPolicy({ baseSeconds: 1, maxAttempts: 5 });
    expect(delaysMs(policy).map((ms) => ms / 1000)).toEqual([1, 2, 4, 8]);
    expect(resolveRetryPolicy({ maxSeconds: 7, maxAttempts: 4 }).delaysSeconds).toEqual([5, 7, 7]);
  });

  it('makes of every input a policy with a delay for each retry', () => {
    const input = fc.record(
      {
        preset: fc.constantFrom(...retryPresets),
        baseSeconds: fc.integer({ min: 0, max: 1000 }),
        factor: fc.integer({ min: 1, max: 10 }),
        maxAttempts: fc.integer({ min: 1, max: 50 }),
        jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(input, (given) => {
        const policy = resolveRetryPolicy(given);
        expect(policy.delaysSeconds.length).toBeGreaterThan(0);
        expect(delaysMs(policy).every((ms) => Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });
});

describe('retryDelayMs', () => {
  it('spreads the delay evenly around itself by the share of the jitter', () => {
    const policy: RetryPolicy = { delaysSeconds: [100], maxAttempts: 2, jitter: 0.2 };
    expect(retryDelayMs(policy, 1, () => 0)).toBe(80_000);
    expect(retryDelayMs(policy, 1, () => 0.25)).toBe(90_000);
    expect(retryDelayMs(policy, 1, () => 0.5)).toBe(100_000);
    expect(retryDelayMs(policy, 1, () => 1)).toBe(120_000);
  });

  it('keeps fractions of a second', () => {
    expect(retryDelayMs({ delaysSeconds: [0.05], maxAttempts: 2, jitter: 0 }, 1, noJitter)).toBe(50);
  });
});

describe('retrySpanMs', () => {
  it('is never shorter than the delays that the policy gives', () => {
    const draw = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...retryPresets),
        fc.integer({ min: 1, max: 50 }),
        draw,
        (preset, maxAttempts, at) => {
          const policy = resolveRetryPolicy({ preset, maxAttempts });
          // Each delay is rounded to a whole ms.
          expect(sum(delaysMs(policy, () => at))).toBeLessThanOrEqual(retrySpanMs(policy) + maxAttempts);
        },
      ),
    );
  });

  it('counts the longest draws, and nothing for a single attempt', () => {
    expect(retrySpanMs({ delaysSeconds: [10, 20], maxAttempts: 4, jitter: 0.5 })).toBe(75_000);
    expect(retrySpanMs({ delaysSeconds: [10, 20], maxAttempts: 1, jitter: 0.5 })).toBe(0);
  });
});

describe('parkedMaxMs', () => {
  it.each<[string, RetryPolicyInput | null, number]>([
    ['the default policy: its span', null, 87_244_325],
    ['any subset of the fields', { jitter: 0 }, 85_955_000],
    ['a short span: an hour', { delaysSeconds: [1, 2, 3], maxAttempts: 4 }, hour],
    ['a single attempt: an hour', { maxAttempts: 1 }, hour],
    ['the preset fast: an hour', { preset: 'fast' }, hour],
    ['a span between', { delaysSeconds: [7200], maxAttempts: 3, jitter: 0 }, 4 * hour],
    ['the preset patient: 72 hours', { preset: 'patient' }, 72 * hour],
    ['what the policy says, however short', { parkedMaxSeconds: 1 }, 1000],
    ['what the policy says, however long its span', { preset: 'patient', parkedMaxSeconds: 1.5 }, 1500],
    ['what the policy says beside a short span', { maxAttempts: 1, parkedMaxSeconds: 259_200 }, 72 * hour],
  ])('%s', (_, input, ms) => {
    expect(parkedMaxMs(input)).toBe(ms);
  });
});

describe('retryPolicyProblem', () => {
  it('finds nothing wrong with the presets and partial inputs', () => {
    for (const preset of retryPresets) expect(retryPolicyProblem({ preset })).toBeNull();
    expect(retryPolicyProblem({})).toBeNull();
    expect(
      retryPolicyProblem({ delaysSeconds: [60, 300, 1800, 7200, 21_600], maxAttempts: 8, jitter: 0.2 }),
    ).toBeNull();
  });

  it.each([{ baseSeconds: 1 }, { factor: 2 }, { maxSeconds: 60 }])(
    'refuses a list together with %j',
    (other) => {
      expect(retryPolicyProblem({ delaysSeconds: [60], ...other })).toMatch(/cannot be combined/);
    },
  );

  it('refuses delays that together pass the longest span', () => {
    const days = (count: number) => ({ delaysSeconds: [86_400], maxAttempts: count + 1, jitter: 0 });
    const daysMax = retryPolicyLimits.spanSecondsMax / 86_400;
    expect(retryPolicyProblem(days(daysMax))).toBeNull();
    expect(retryPolicyProblem(days(daysMax + 1))).toMatch(/must not pass/);
    expect(retryPolicyProblem({ ...days(daysMax), jitter: 0.1 })).toMatch(/must not pass/);
  });
});

function delaysMs(policy: RetryPolicy, random = noJitter): number[] {
  return Array.from({ length: policy.maxAttempts - 1 }, (_, n) => retryDelayMs(policy, n + 1, random));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

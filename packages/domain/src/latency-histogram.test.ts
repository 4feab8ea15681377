import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { latencyBounds, latencyPercentile } from './latency-histogram.js';

const latencies = fc.array(fc.integer({ min: 0, max: 65_000 }), { minLength: 1, maxLength: 300 });

function histogramOf(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) {
    const bucket = latencyBounds.filter((bound) => bound <= value).length;
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return counts;
}

describe('a latency histogram', () => {
  it('tells percentiles within 10 % and a millisecond', () => {
    fc.assert(
      fc.property(latencies, fc.constantFrom(0.5, 0.95, 1), (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(values.length * share) - 1)]!;
        const told = latencyPercentile(histogramOf(values), share)!;
        expect(Math.abs(told - exact)).toBeLessThanOrEqual(exact * 0.1 + 1);
      }),
    );
  });

  it('tells nothing of no attempts', () => {
    expect(latencyPercentile(new Map(), 0.5)).toBeNull();
  });
});

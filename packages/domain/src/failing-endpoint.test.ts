import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { type AttemptsSeen, type Failing, nextFailing } from './failing-endpoint.js';

const WARN_MS = 100;

interface Attempt {
  atMs: number;
  delivered: boolean;
}

/** What the reader makes of some attempts. */
function seen(attempts: readonly Attempt[]): AttemptsSeen {
  const delivered = attempts.filter((attempt) => attempt.delivered).map(({ atMs }) => atMs);
  const deliveredAtMs = delivered.length > 0 ? Math.max(...delivered) : null;
  const failed = attempts
    .filter((attempt) => !attempt.delivered && attempt.atMs > (deliveredAtMs ?? -1))
    .map(({ atMs }) => atMs);
  return {
    deliveredAtMs,
    failedFirstMs: failed.length > 0 ? Math.min(...failed) : null,
    failedLastMs: failed.length > 0 ? Math.max(...failed) : null,
  };
}

const failed = (atMs: number): Attempt => ({ atMs, delivered: false });
const delivered = (atMs: number): Attempt => ({ atMs, delivered: true });
const next = (kept: Failing | null, ...attempts: Attempt[]) => nextFailing(kept, seen(attempts), WARN_MS);

describe('an endpoint that fails', () => {
  it('is told of once, when its attempts have failed for long enough, and again when one is delivered', () => {
    let { kept, news } = next(null, failed(10), failed(50));
    expect({ kept, news }).toEqual({ kept: { sinceMs: 10, lastAtMs: 50, warnedAtMs: null }, news: [] });
    ({ kept, news } = next(kept, failed(110)));
    expect({ kept, news }).toEqual({
      kept: { sinceMs: 10, lastAtMs: 110, warnedAtMs: 110 },
      news: ['failing'],
    });
    ({ kept, news } = next(kept, failed(300)));
    expect(news).toEqual([]);
    ({ kept, news } = next(kept, delivered(310)));
    expect({ kept, news }).toEqual({ kept: null, news: ['recovered'] });
    expect(next(null, delivered(320))).toEqual({ kept: null, news: [] });
  });

  it('has not failed while nothing was sent to it', () => {
    const { kept } = next(null, failed(10));
    expect(next(kept)).toEqual({ kept: { sinceMs: 10, lastAtMs: 10, warnedAtMs: null }, news: [] });
  });

  it('begins anew after an attempt that was delivered in between, in whatever order they are read', () => {
    expect(next(null, failed(10), delivered(20), failed(30)).kept).toMatchObject({ sinceMs: 30 });
    const { kept } = next(null, failed(10), failed(60));
    expect(next(kept, delivered(20)).kept).toEqual({ sinceMs: 60, lastAtMs: 60, warnedAtMs: null });
    // Recorded late, and nothing to this.
    expect(next(kept, delivered(5)).kept).toEqual(kept);
  });

  it('that has become another one counts from its next failure, is told of again, and as recovered', () => {
    const another: Failing = { sinceMs: null, lastAtMs: 500, warnedAtMs: 500 };
    let { kept, news } = next(another, failed(600));
    expect({ kept, news }).toEqual({ kept: { sinceMs: 600, lastAtMs: 600, warnedAtMs: 500 }, news: [] });
    ({ kept, news } = next(kept, failed(700)));
    expect({ kept, news }).toEqual({
      kept: { sinceMs: 600, lastAtMs: 700, warnedAtMs: 700 },
      news: ['failing'],
    });
    expect(next(kept, failed(800)).news).toEqual([]);
    expect(next(another, delivered(600))).toEqual({ kept: null, news: ['recovered'] });
    expect(next({ ...another, warnedAtMs: null }, delivered(600)).news).toEqual([]);
  });

  it('is told of to nobody where that is turned off', () => {
    expect(nextFailing(null, seen([failed(10), failed(1_000)]), null)).toEqual({
      kept: { sinceMs: 10, lastAtMs: 1_000, warnedAtMs: null },
      news: [],
    });
  });

  it('is what a look at all attempts says, however they are split, while they come in order', () => {
    const attempts = fc
      .uniqueArray(fc.record({ atMs: fc.integer({ min: 1, max: 1_000 }), delivered: fc.boolean() }), {
        selector: ({ atMs }) => atMs,
        maxLength: 30,
      })
      .map((some) => some.toSorted((a, b) => a.atMs - b.atMs));
    fc.assert(
      fc.property(attempts, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), (all, cuts) => {
        let kept: Failing | null = null;
        const told: string[] = [];
        let batch: Attempt[] = [];
        for (const [index, attempt] of all.entries()) {
          batch.push(attempt);
          if (cuts[index] !== true && index < all.length - 1) continue;
          const result = nextFailing(kept, seen(batch), WARN_MS);
          kept = result.kept;
          told.push(...result.news);
          batch = [];
        }
        const lastDelivered = all.findLastIndex((attempt) => attempt.delivered);
        const since = all[lastDelivered + 1]?.atMs;
        expect(kept?.sinceMs).toBe(since);
        // Told alternately, and warned of now if it has been failing for so long.
        expect(told.filter((what, index) => what !== (index % 2 === 0 ? 'failing' : 'recovered'))).toEqual(
          [],
        );
        expect(told.at(-1) === 'failing').toBe(since !== undefined && all.at(-1)!.atMs - since >= WARN_MS);
      }),
    );
  });
});

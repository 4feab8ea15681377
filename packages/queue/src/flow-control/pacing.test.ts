import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Pace, Pacer } from './pacing.js';

describe('a pacer', () => {
  it('allows a start at once and spaces the others evenly', () => {
    const pacer = new Pacer({ max: 10, perSeconds: 1 }, 0, 1000);
    const startedAtMs: number[] = [];
    for (let nowMs = 1000; nowMs < 3000; nowMs++) {
      if (nowMs < pacer.nextMs) continue;
      pacer.start(nowMs);
      startedAtMs.push(nowMs - 1000);
    }
    expect(startedAtMs.slice(0, 4)).toEqual([0, 93, 196, 299]);
    expect(startedAtMs.length).toBe(20);
  });

  it('saves nothing up while no start is wanted', () => {
    const pacer = new Pacer({ max: 10, perSeconds: 1 }, 0, 0);
    pacer.start(0);
    pacer.start(60_000);
    expect(pacer.nextMs).toBeGreaterThan(60_090);
  });

  it('gives back a start that came to nothing, unless another built on it', () => {
    const pacer = new Pacer({ max: 1, perSeconds: 10 }, 0, 0);
    const first = pacer.start(0);
    pacer.giveBack(first, 1);
    expect(pacer.nextMs).toBeLessThanOrEqual(1);
    const second = pacer.start(1);
    const third = pacer.start(second);
    pacer.giveBack(second, second);
    expect(pacer.nextMs).toBe(third);
  });

  it('continues where another process stopped, but never waits for more than one interval', () => {
    expect(new Pacer({ max: 1, perSeconds: 10 }, 7000, 1000).nextMs).toBe(7000);
    expect(new Pacer({ max: 1, perSeconds: 10 }, 999_999, 1000).nextMs).toBe(11_030);
  });

  it('takes a new limit at once', () => {
    const pacer = new Pacer({ max: 1, perSeconds: 3600 }, 0, 0);
    pacer.start(0);
    pacer.setLimit({ max: 10, perSeconds: 1 }, 50);
    expect(pacer.nextMs).toBeLessThanOrEqual(153);
  });

  it('never allows more than max starts in any window, however late each comes', () => {
    const limit = fc.record({
      max: fc.integer({ min: 1, max: 500 }),
      perSeconds: fc.integer({ min: 1, max: 60 }),
    });
    const late = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 30, noNaN: true })), {
      minLength: 1,
      maxLength: 2000,
    });
    fc.assert(
      fc.property(limit, late, ({ max, perSeconds }, lateness) => {
        const pacer = new Pacer({ max, perSeconds }, 0, 0);
        const starts: number[] = [];
        let nowMs = 0;
        for (const lateMs of lateness) {
          nowMs = Math.max(nowMs, pacer.nextMs) + lateMs;
          pacer.start(nowMs);
          starts.push(nowMs);
        }
        for (let i = max; i < starts.length; i++) {
          // And 20 ms more, for what lies between here and the receiver.
          expect((starts[i] ?? 0) - (starts[i - max] ?? 0)).toBeGreaterThan(perSeconds * 1000 + 20 - 1e-6);
        }
      }),
    );
  });

  it('keeps the rate within three per cent while starts come no more than 10 ms late', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { minLength: 500, maxLength: 500 }),
        (lateness) => {
          const pacer = new Pacer({ max: 100, perSeconds: 1 }, 0, 0);
          let nowMs = 0;
          for (const lateMs of lateness) {
            nowMs = Math.max(nowMs, pacer.nextMs + lateMs);
            pacer.start(nowMs);
          }
          expect(nowMs).toBeLessThan(500 * 10 * 1.03 + 10);
        },
      ),
    );
  });
});

describe('the pace of a rate limit', () => {
  const limit = { max: 80, perSeconds: 1 };

  /** Fetches as soon as allowed and sends `delaysMs` later, or when the pacer allows it: first come, first served. */
  function sendsOf(delaysMs: readonly number[]) {
    const pace = new Pace(limit, 0, 0);
    const sends: { atMs: number; waitedMs: number }[] = [];
    let takenUpMs = 0;
    let lastSendMs = 0;
    for (const delayMs of delaysMs) {
      takenUpMs = Math.max(takenUpMs, pace.fetch.nextMs);
      pace.fetch.start(takenUpMs);
      const readyMs = Math.max(lastSendMs, takenUpMs + delayMs);
      const atMs = Math.max(readyMs, pace.send.nextMs);
      pace.send.start(atMs);
      lastSendMs = atMs;
      sends.push({ atMs, waitedMs: atMs - takenUpMs - delayMs });
    }
    return sends;
  }

  it('never sends more than max in any window, however long it takes from taking up to sending', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 200, maxLength: 400 }),
        (delays) => {
          const sends = sendsOf(delays);
          for (let i = limit.max; i < sends.length; i++) {
            expect((sends[i]?.atMs ?? 0) - (sends[i - limit.max]?.atMs ?? 0)).toBeGreaterThan(1020 - 1e-6);
          }
        },
      ),
    );
  });

  it('lets sends wait less and less after one that was late, and none while all take as long', () => {
    const steady = sendsOf(Array.from({ length: 500 }, (_, i) => 5 + (i % 9)));
    expect(Math.max(...steady.map(({ waitedMs }) => waitedMs))).toBeLessThan(10);
    const after = sendsOf(Array.from({ length: 2000 }, (_, i) => (i === 0 ? 100 : 5)));
    expect(after[1]?.waitedMs).toBeGreaterThan(50);
    expect(after[1999]?.waitedMs).toBeLessThan(1);
  });
});

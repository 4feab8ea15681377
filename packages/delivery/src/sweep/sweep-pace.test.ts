import { describe, expect, it } from '@jest/globals';

import { slowPassRowsMax, startSlowPassWhenDue } from './sweep-pace.js';

const PAGE = 250;
const MINUTE_MS = 60_000;
const id = '00000000-0000-0000-0000-000000000000';

const slowPass = (changes: object = {}) => ({
  nextAttemptAtMs: 0,
  id,
  beganAtMs: 0,
  ended: false,
  read: 0,
  readBefore: 0,
  ...changes,
});

/** Passes every 5 s over that many rows; how many each read, and when the last row was. */
function walkSlowly(rows: number, readBefore: number) {
  const slow = slowPass({ readBefore });
  const steps: number[] = [];
  let nowMs = 0;
  for (; slow.read < rows; nowMs += 5_000) {
    const step = Math.min(rows - slow.read, Math.ceil(slowPassRowsMax(slow, nowMs, PAGE)));
    steps.push(step);
    slow.read += step;
  }
  return { steps, tookMs: nowMs };
}

describe('the slow pass', () => {
  it.each([
    [500, 0],
    [100_000, 0],
    [100_000, 100_000],
    [1_000_000, 0],
    [3_000_000, 3_000_000],
  ])('reaches the end of %i rows within ten minutes, having counted %i before', (rows, readBefore) => {
    expect(walkSlowly(rows, readBefore).tookMs).toBeLessThan(10 * MINUTE_MS);
  });

  it('spreads as many rows as the last time evenly', () => {
    const { steps } = walkSlowly(1_000_000, 1_000_000);
    expect(Math.max(...steps)).toBeLessThan(15_000);
  });

  it('begins anew seven minutes after it began, once it has ended', () => {
    const began = (slow: ReturnType<typeof slowPass>, nowMs: number) => {
      startSlowPassWhenDue(slow, nowMs);
      return slow.beganAtMs === nowMs;
    };
    expect(began(slowPass(), 30 * MINUTE_MS)).toBe(false);
    expect(began(slowPass({ ended: true }), 6 * MINUTE_MS)).toBe(false);
    const slow = slowPass({ ended: true, read: 70, nextAttemptAtMs: 5 });
    expect(began(slow, 7 * MINUTE_MS)).toBe(true);
    expect(slow).toMatchObject({ ended: false, read: 0, readBefore: 70, nextAttemptAtMs: 0 });
    expect(began(slowPass({ ended: true, beganAtMs: 60 * MINUTE_MS }), 1)).toBe(true);
  });
});

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { waitUntil } from '@posthorn/testing';
import { type GrowingLane, growthFigures, LaneGrowth } from './lane-growth.js';

describe('the growth of lanes', () => {
  let growth: LaneGrowth;
  beforeEach(() => {
    growth = new LaneGrowth(() => 0);
  });
  afterEach(() => growth.close());

  const grown: { name: string; by: number }[] = [];
  beforeEach(() => void (grown.length = 0));
  /** A lane whose sends never end: it doubles, and waits for more until it has `full`. */
  const hanging = (name: string, full: number): GrowingLane & { has: number } => {
    const self = {
      has: 1,
      grow(most: number) {
        const by = Math.min(most, self.has, full - self.has);
        self.has += by;
        grown.push({ name, by });
        if (self.has < full) growth.waitForMore(self, Date.now());
        return by;
      },
    };
    return self;
  };
  const total = () => grown.reduce((sum, { by }) => sum + by, 0);

  it('gives a lane whose endpoint is slow all that it may have', async () => {
    const lane = hanging('slow', 100);
    const startedMs = performance.now();
    growth.waitForMore(lane, Date.now());
    growth.waitForMore(lane, Date.now());
    await waitUntil(() => lane.has === 100);
    expect(grown.map(({ by }) => by)).toEqual([1, 2, 4, 8, 16, 25, 25, 18]);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(8 * growthFigures.patienceMs - 10);
  });

  it('lets a hundred lanes grow in turn, and no faster together than the process may start', async () => {
    const lanes = Array.from({ length: 100 }, (_, n) => hanging(String(n), 4));
    const startedMs = performance.now();
    for (const lane of lanes) growth.waitForMore(lane, Date.now());
    await waitUntil(() => lanes.every(({ has }) => has === 4), { timeoutMs: 20_000 });
    const seconds = (performance.now() - startedMs - growthFigures.patienceMs) / 1000;
    expect(total()).toBe(300);
    expect(total() / seconds).toBeLessThan(growthFigures.startsPerSecond * 1.1);
    expect(new Set(grown.slice(0, 100).map(({ name }) => name)).size).toBe(100);
  });

  it('lets lanes that have something under way grow ten times as slowly while the loop is busy, and the others as ever', async () => {
    growth.close();
    growth = new LaneGrowth(() => 0.9);
    const startedMs = performance.now();
    for (let n = 0; n < 40; n++) growth.waitForMore(hanging(`more ${n}`, 2), Date.now() - 1000);
    while (growth.takeFirst());
    growth.waitForFirst(hanging('first', 2));
    await waitUntil(() => total() === 41, { timeoutMs: 20_000 });
    const seconds = (performance.now() - startedMs) / 1000;
    expect(grown[0]?.name).toBe('first');
    // Of 40, 10 have room from before.
    expect(30 / seconds).toBeLessThan(growthFigures.startsPerSecondBusy * 1.1);
  });

  it('serves lanes with nothing under way first, and at once while there is room', async () => {
    for (let n = 0; n < 30; n++) growth.waitForMore(hanging(`more ${n}`, 2), Date.now() - 1000);
    let atOnce = 0;
    while (growth.takeFirst()) atOnce++;
    expect(atOnce).toBe(10);
    growth.waitForFirst(hanging('first', 2));
    expect(growth.takeFirst()).toBe(false);
    await waitUntil(() => total() === 31);
    expect(grown[0]?.name).toBe('first');
    await waitUntil(() => growth.takeFirst());
  });

  it('does not keep first ones waiting for the patience of others', () => {
    jest.useFakeTimers();
    try {
      growth.waitForMore(hanging('more', 2), Date.now());
      while (growth.takeFirst());
      growth.waitForFirst(hanging('first', 2));
      jest.advanceTimersByTime(growthFigures.patienceMs / 2);
      expect(grown.map(({ name }) => name)).toEqual(['first']);
    } finally {
      growth.close();
      jest.useRealTimers();
    }
  });

  it('forgets a lane that closes', async () => {
    const closed = [hanging('closed', 2), hanging('closed', 2)] as const;
    growth.waitForMore(closed[0], Date.now());
    growth.waitForFirst(closed[1]);
    for (const lane of closed) growth.leave(lane);
    const last = hanging('last', 2);
    growth.waitForMore(last, Date.now());
    await waitUntil(() => last.has === 2);
    expect(grown.map(({ name }) => name)).toEqual(['last']);
  });
});

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { waitUntil } from '@posthorn/testing';
import { type SlowStartingLane, slowStartFigures, SlowStartScheduler } from './slow-start-scheduler.js';

describe('the slow start of lanes', () => {
  let scheduler: SlowStartScheduler;
  beforeEach(() => {
    scheduler = new SlowStartScheduler(() => 0);
  });
  afterEach(() => scheduler.close());

  const grown: { name: string; by: number }[] = [];
  beforeEach(() => void (grown.length = 0));
  /** A lane whose sends never end: it doubles, and waits for more until it has `full`. */
  const hanging = (name: string, full: number): SlowStartingLane & { has: number } => {
    const self = {
      has: 1,
      raiseLimit(most: number) {
        const by = Math.min(most, self.has, full - self.has);
        self.has += by;
        grown.push({ name, by });
        if (self.has < full) scheduler.waitForMore(self, Date.now());
        return by;
      },
    };
    return self;
  };
  const total = () => grown.reduce((sum, { by }) => sum + by, 0);

  it('gives a lane whose endpoint is slow all that it may have', async () => {
    const lane = hanging('slow', 100);
    const startedMs = performance.now();
    scheduler.waitForMore(lane, Date.now());
    scheduler.waitForMore(lane, Date.now());
    await waitUntil(() => lane.has === 100);
    expect(grown.map(({ by }) => by)).toEqual([1, 2, 4, 8, 16, 25, 25, 18]);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(8 * slowStartFigures.patienceMs - 10);
  });

  it('raises a hundred lanes one after another, and no faster together than the process may start', async () => {
    const lanes = Array.from({ length: 100 }, (_, n) => hanging(String(n), 4));
    const startedMs = performance.now();
    for (const lane of lanes) scheduler.waitForMore(lane, Date.now());
    await waitUntil(() => lanes.every(({ has }) => has === 4), { timeoutMs: 20_000 });
    const seconds = (performance.now() - startedMs - slowStartFigures.patienceMs) / 1000;
    expect(total()).toBe(300);
    expect(total() / seconds).toBeLessThan(slowStartFigures.startsPerSecond * 1.1);
    expect(new Set(grown.slice(0, 100).map(({ name }) => name)).size).toBe(100);
  });

  it('lets lanes that have something under way grow ten times as slowly while the loop is busy, and the others as ever', async () => {
    scheduler.close();
    scheduler = new SlowStartScheduler(() => 0.9);
    const startedMs = performance.now();
    for (let n = 0; n < 40; n++) scheduler.waitForMore(hanging(`more ${n}`, 2), Date.now() - 1000);
    while (scheduler.takeFirst());
    scheduler.waitForFirst(hanging('first', 2));
    await waitUntil(() => total() === 41, { timeoutMs: 20_000 });
    const seconds = (performance.now() - startedMs) / 1000;
    expect(grown[0]?.name).toBe('first');
    // Of 40, 10 have room from before.
    expect(30 / seconds).toBeLessThan(slowStartFigures.startsPerSecondBusy * 1.1);
  });

  it('serves lanes with nothing under way first, and at once while there is room', async () => {
    for (let n = 0; n < 30; n++) scheduler.waitForMore(hanging(`more ${n}`, 2), Date.now() - 1000);
    let atOnce = 0;
    while (scheduler.takeFirst()) atOnce++;
    expect(atOnce).toBe(10);
    scheduler.waitForFirst(hanging('first', 2));
    expect(scheduler.takeFirst()).toBe(false);
    await waitUntil(() => total() === 31);
    expect(grown[0]?.name).toBe('first');
    await waitUntil(() => scheduler.takeFirst());
  });

  it('does not keep first ones waiting for the patience of others', () => {
    jest.useFakeTimers();
    try {
      scheduler.waitForMore(hanging('more', 2), Date.now());
      while (scheduler.takeFirst());
      scheduler.waitForFirst(hanging('first', 2));
      jest.advanceTimersByTime(slowStartFigures.patienceMs / 2);
      expect(grown.map(({ name }) => name)).toEqual(['first']);
    } finally {
      scheduler.close();
      jest.useRealTimers();
    }
  });

  it('forgets a lane that closes', async () => {
    const closed = [hanging('closed', 2), hanging('closed', 2)] as const;
    scheduler.waitForMore(closed[0], Date.now());
    scheduler.waitForFirst(closed[1]);
    for (const lane of closed) scheduler.leave(lane);
    const last = hanging('last', 2);
    scheduler.waitForMore(last, Date.now());
    await waitUntil(() => last.has === 2);
    expect(grown.map(({ name }) => name)).toEqual(['last']);
  });
});

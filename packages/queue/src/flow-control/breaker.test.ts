import { describe, expect, it } from '@jest/globals';
import type { HealthSignal } from '@posthorn/domain';
import fc from 'fast-check';
import { breakerFigures, CircuitBreaker } from './breaker.js';

const middle = () => 0.5;
const attempt = (breaker: CircuitBreaker, sign: HealthSignal['kind'], nowMs: number) =>
  breaker.end(breaker.start(), sign, nowMs);
const full = 1000;
const opened = (nowMs = 0) => {
  const breaker = new CircuitBreaker(middle, full);
  for (let n = 0; n < 5; n++) attempt(breaker, 'failure', nowMs);
  return breaker;
};

describe('a circuit breaker', () => {
  /** Lets a round of starts succeed, and shows that there was room for no more. */
  const succeedsWith = (breaker: CircuitBreaker, allowed: number) => {
    const round = Array.from({ length: allowed }, () => {
      expect(breaker.mayStart(5000)).toBe(true);
      return breaker.start();
    });
    expect(breaker.mayStart(5000)).toBe(false);
    for (const started of round) breaker.end(started, 'success', 5000);
  };

  it('lets as many start as the endpoint may have when that many were allowed and one has succeeded', () => {
    const breaker = new CircuitBreaker(middle, 10);
    for (const allowed of [1, 2, 4, 8]) succeedsWith(breaker, allowed);
    for (let n = 0; n < 100; n++) breaker.start();
    expect(breaker.mayStart(0)).toBe(true);
    expect(breaker.state(0)).toBe('closed');
    expect(breaker.pristine).toBe(true);
    const single = new CircuitBreaker(middle, 1);
    for (let n = 0; n < 2; n++) single.start();
    expect(single.mayStart(0)).toBe(true);
  });

  it('allows more to an endpoint that does not answer when its limit is raised, up to what the endpoint may have', () => {
    const breaker = new CircuitBreaker(middle, 10);
    expect(breaker.waitsFor).toBeNull();
    const started: number[] = [];
    const raises: number[] = [];
    for (;;) {
      while (breaker.mayStart(0) && started.length < 10) started.push(breaker.start());
      if (!breaker.waitsFor) break;
      expect(breaker.waitsFor).toBe('more');
      raises.push(breaker.raiseLimit(5));
    }
    expect(raises).toEqual([1, 2, 4, 2]);
    expect(started).toHaveLength(10);
    // None has succeeded: those that fail give up their slots, until the breaker opens.
    for (const each of started.slice(0, 4)) breaker.end(each, 'failure', 0);
    expect(breaker.mayStart(0)).toBe(false);
    expect(breaker.waitsFor).toBe('more');
    // Five in a row look dead, but those that started after them may succeed: meanwhile nothing starts.
    for (const each of started.slice(4, 9)) expect(breaker.end(each, 'failure', 0)).toBeNull();
    expect(breaker.opensAtMs()).toBe(Infinity);
    expect(breaker.end(started[9] ?? 0, 'failure', 0)).toBe('opened');
    expect(breaker.waitsFor).toBeNull();
  });

  it('waits for permission to begin again when all that it had under way have failed, and takes a success as permission', () => {
    const breaker = new CircuitBreaker(middle, 10);
    attempt(breaker, 'failure', 0);
    expect(breaker.mayStart(0)).toBe(false);
    expect(breaker.waitsFor).toBe('first');
    expect(breaker.raiseLimit(5)).toBe(1);
    succeedsWith(breaker, 1);
    succeedsWith(breaker, 2);
  });

  it('allows what the endpoint may have by its changed limit', () => {
    const breaker = new CircuitBreaker(middle, 10);
    succeedsWith(breaker, 1);
    breaker.full = 2;
    for (let n = 0; n < 20; n++) breaker.start();
    expect(breaker.mayStart(0)).toBe(true);
  });

  it('opens on the fifth failure in a row, for 5 s', () => {
    const breaker = new CircuitBreaker(middle, full);
    for (let n = 0; n < 4; n++) expect(attempt(breaker, 'failure', 0)).toBeNull();
    expect(breaker.state(0)).toBe('closed');
    expect(attempt(breaker, 'failure', 1000)).toBe('opened');
    expect(breaker.state(1000)).toBe('open');
    expect(breaker.stored()).toEqual({ openUntilMs: 6000, openings: 1 });
    expect(breaker.mayStart(5999)).toBe(false);
    expect(breaker.mayStart(6000)).toBe(true);
    expect(breaker.state(6000)).toBe('half_open');
  });

  const worked = () => {
    const breaker = new CircuitBreaker(middle, full);
    for (let n = 0; n < 40; n++) attempt(breaker, 'success', 0);
    return breaker;
  };

  it('opens on the fifth failure in a row of an endpoint that has worked, and counts neither 429s nor what was not sent', () => {
    const breaker = worked();
    for (let n = 0; n < 4; n++) attempt(breaker, 'failure', 0);
    attempt(breaker, 'neutral', 0);
    attempt(breaker, 'none', 0);
    expect(attempt(breaker, 'failure', 0)).toBe('opened');
  });

  it.each([
    ['one in ten', 10, 8],
    ['one in four', 4, 13],
    ['every second', 2, 27],
    ['three in four', -4, 54],
  ])('lets more failures in a row pass where the endpoint fails %s time', (_, oneIn, deadAt) => {
    const breaker = worked();
    for (let n = 1; n <= 120; n++) {
      const fails = oneIn > 0 ? n % oneIn === 1 : n % -oneIn !== 0;
      expect(attempt(breaker, fails ? 'failure' : 'success', 0)).toBeNull();
    }
    let failures = 1;
    while (attempt(breaker, 'failure', 0) === null) failures++;
    expect(Math.abs(failures - deadAt)).toBeLessThanOrEqual(3);
  });

  it('counts failures in a row by when they started, not by when they ended', () => {
    const breaker = worked();
    const slow = Array.from({ length: 8 }, () => breaker.start());
    attempt(breaker, 'success', 0);
    // They time out together, but the endpoint has worked since they started.
    for (const started of slow) expect(breaker.end(started, 'failure', 0)).toBeNull();
    expect(breaker.state(0)).toBe('closed');
  });

  it('waits for what started after failures before it opens, and meanwhile lets nothing start', () => {
    const breaker = worked();
    const failing = Array.from({ length: 5 }, () => breaker.start());
    const slow = breaker.start();
    for (const started of failing) expect(breaker.end(started, 'failure', 0)).toBeNull();
    expect(breaker.mayStart(0)).toBe(false);
    expect(breaker.end(slow, 'success', 0)).toBeNull();
    expect(breaker.mayStart(0)).toBe(true);
  });

  it('lets fewer be under way with each failure in a row, and all again after a success', () => {
    const breaker = new CircuitBreaker(middle, 10);
    for (let n = 0; n < 40; n++) attempt(breaker, 'success', 0);
    const allowed: number[] = [];
    for (let n = 0; n < 4; n++) {
      attempt(breaker, 'failure', 0);
      const started: number[] = [];
      while (breaker.mayStart(0)) started.push(breaker.start());
      allowed.push(started.length);
      for (const each of started) breaker.end(each, 'none', 0);
    }
    expect(allowed).toEqual([8, 6, 4, 2]);
    attempt(breaker, 'success', 0);
    for (let n = 0; n < 10; n++) breaker.start();
    expect(breaker.mayStart(0)).toBe(true);
  });

  it('keeps two under way for a new endpoint until it looks dead, so that one that fails often may show a success', () => {
    const breaker = new CircuitBreaker(middle, 2);
    breaker.start();
    expect(breaker.raiseLimit(1)).toBe(1);
    const underway = [1, breaker.start()];
    for (let n = 0; n < 4; n++) {
      expect(breaker.end(underway.shift() ?? 0, 'failure', 0)).toBeNull();
      while (breaker.waitsFor) {
        breaker.raiseLimit(1);
        if (breaker.mayStart(0)) underway.push(breaker.start());
      }
    }
    expect(underway).toHaveLength(2);
    // Five in a row, but the one beside the fifth succeeds.
    expect(breaker.end(underway.shift() ?? 0, 'failure', 0)).toBeNull();
    expect(breaker.mayStart(0)).toBe(false);
    expect(breaker.end(underway.shift() ?? 0, 'success', 0)).toBeNull();
    expect(breaker.state(0)).toBe('closed');
  });

  it('gives an endpoint that had failed often some probes at first, before it opens again', () => {
    const breaker = worked();
    for (let n = 1; n <= 120; n++) attempt(breaker, n % 4 === 0 ? 'success' : 'failure', 0);
    while (attempt(breaker, 'failure', 0) === null);
    const probes: number[] = [];
    for (let opening = 0; opening < 4; opening++) {
      const atMs = breaker.stored().openUntilMs ?? 0;
      let failed = 1;
      while (attempt(breaker, 'failure', atMs) === null) failed++;
      probes.push(failed);
    }
    expect(probes.slice(0, 3).every((count) => count >= 5 && count <= 6)).toBe(true);
    expect(probes[3]).toBe(1);
  });

  it('lets one start at a time when half-open, and closes on its success', () => {
    const breaker = opened();
    const probe = breaker.start();
    expect(breaker.mayStart(5000)).toBe(false);
    expect(breaker.opensAtMs()).toBe(Infinity);
    expect(breaker.end(probe, 'success', 5100)).toBe('closed');
    expect(breaker.stored()).toEqual({ openUntilMs: null, openings: 0 });
  });

  it('opens twice as long with each failed probe, up to a minute', () => {
    const breaker = opened();
    const openForMs: number[] = [];
    for (let n = 0; n < 6; n++) {
      const atMs = breaker.stored().openUntilMs ?? 0;
      expect(attempt(breaker, 'failure', atMs)).toBe('opened');
      openForMs.push((breaker.stored().openUntilMs ?? 0) - atMs);
    }
    expect(openForMs).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
  });

  it('spreads its times by a tenth either way', () => {
    for (const [random, ms] of [
      [0, 4500],
      [0.999_999, 5500],
    ] as const) {
      const breaker = new CircuitBreaker(() => random, full);
      for (let n = 0; n < 5; n++) attempt(breaker, 'failure', 0);
      expect(breaker.stored().openUntilMs).toBe(ms);
    }
  });

  it('gives the probe’s slot to the next when nothing was sent, and waits as long again after a 429', () => {
    const breaker = opened();
    expect(attempt(breaker, 'none', 5000)).toBeNull();
    expect(breaker.mayStart(5000)).toBe(true);
    expect(attempt(breaker, 'neutral', 5000)).toBe('opened');
    expect(breaker.stored()).toEqual({ openUntilMs: 10_000, openings: 1 });
  });

  it('does not believe what started before it opened', () => {
    const breaker = new CircuitBreaker(middle, full);
    const before = [breaker.start(), breaker.start()];
    for (let n = 0; n < 5; n++) attempt(breaker, 'failure', 0);
    expect(breaker.end(before[0] ?? 0, 'success', 1)).toBeNull();
    expect(breaker.state(1)).toBe('open');
    // Nor does one that still hangs keep the probe out.
    expect(breaker.mayStart(5000)).toBe(true);
    breaker.start();
    expect(breaker.end(before[1] ?? 0, 'failure', 5001)).toBeNull();
    expect(breaker.stored().openings).toBe(1);
    expect(breaker.mayStart(5001)).toBe(false);
  });

  it('starts slowly after closing: one, then twice as many with each full round of successes', () => {
    const breaker = opened();
    attempt(breaker, 'success', 5000);
    expect(breaker.waitsFor).toBeNull();
    for (const allowed of [1, 2, 4, 8, 16]) succeedsWith(breaker, allowed);
    expect(breaker.pristine).toBe(false);
    // However many are under way: time alone allows no more.
    expect(breaker.waitsFor).toBeNull();
    for (let n = 0; n < 2000; n++) attempt(breaker, 'success', 5000);
    for (let n = 0; n < 5000; n++) breaker.start();
    expect(breaker.mayStart(5000)).toBe(true);
    expect(breaker.pristine).toBe(true);
  });

  it('starts slowly again at failures after closing', () => {
    const breaker = worked();
    for (let n = 0; n < 5; n++) attempt(breaker, 'failure', 0);
    for (let n = 0; n < 8; n++) attempt(breaker, 'success', 5000);
    for (let n = 0; n < 4; n++) attempt(breaker, 'failure', 5000);
    expect(breaker.state(5000)).toBe('closed');
    breaker.start();
    expect(breaker.mayStart(5000)).toBe(false);
  });

  it('continues as it was stored', () => {
    const breaker = new CircuitBreaker(middle, full, { openUntilMs: 9000, openings: 3 });
    expect(breaker.mayStart(8999)).toBe(false);
    expect(attempt(breaker, 'failure', 9000)).toBe('opened');
    expect(breaker.stored()).toEqual({ openUntilMs: 9000 + 40_000, openings: 4 });
  });

  it('never starts while open nor twice while half-open, and always opens again by itself', () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 4000 }),
      ends: fc.boolean(),
      sign: fc.constantFrom<HealthSignal['kind']>('success', 'failure', 'failure', 'neutral', 'none'),
      at: fc.nat(),
    });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999 })),
        (steps, randoms) => {
          const breaker = new CircuitBreaker(() => randoms.next().value as number, 10);
          let nowMs = 0;
          const underway: number[] = [];
          for (const { waitMs, ends, sign, at } of steps) {
            nowMs += waitMs;
            const [ended] = ends && underway.length > 0 ? underway.splice(at % underway.length, 1) : [];
            if (ended !== undefined) breaker.end(ended, sign, nowMs);
            const state = breaker.state(nowMs);
            const { openUntilMs } = breaker.stored();
            if (openUntilMs !== null) expect(openUntilMs - nowMs).toBeLessThanOrEqual(66_000);
            if (state === 'open') expect(breaker.mayStart(nowMs)).toBe(false);
            if (breaker.waitsFor) breaker.raiseLimit(1);
            if (!breaker.mayStart(nowMs)) continue;
            underway.push(breaker.start());
            if (state === 'half_open') expect(breaker.mayStart(nowMs)).toBe(false);
          }
          // Whatever happened: when all has ended, a start is allowed within the longest time.
          for (const started of underway) breaker.end(started, 'none', nowMs);
          if (breaker.waitsFor) breaker.raiseLimit(1);
          expect(breaker.mayStart(nowMs + breakerFigures.openMaxMs * 1.1)).toBe(true);
        },
      ),
    );
  });
});

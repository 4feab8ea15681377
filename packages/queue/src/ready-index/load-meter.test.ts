import { describe, expect, it } from '@jest/globals';
import { briefMsOf, createLoadMeter } from './load-meter.js';

describe('the load of a customer', () => {
  const perSecond = (
    meter: ReturnType<typeof createLoadMeter>,
    rate: number,
    fromMs: number,
    forMs: number,
  ) => {
    const everyMs = 1000 / rate;
    for (let atMs = fromMs; atMs < fromMs + forMs; atMs += everyMs) meter.begin('acme', atMs)(atMs + 5);
  };

  it('is what it starts per second, from the first second on, and fades within some', () => {
    const meter = createLoadMeter();
    perSecond(meter, 20, 0, 1000);
    expect(meter.sample(1000)[0]?.load).toBeCloseTo(20, 0);
    perSecond(meter, 20, 1000, 1000);
    expect(meter.sample(2000)[0]?.load).toBeCloseTo(20, 0);
    expect(meter.sample(4000)[0]?.load).toBeLessThan(10);
    for (let atMs = 5000; atMs < 40_000; atMs += 1000) meter.sample(atMs);
    expect(meter.sample(40_000)).toEqual([]);
  });

  it('is not overrated for what has only just begun', () => {
    const meter = createLoadMeter();
    meter.begin('acme', 0)(1);
    expect(meter.sample(2)[0]?.load).toBeLessThanOrEqual(2);
  });

  it('counts a tenth of what is in flight', () => {
    const meter = createLoadMeter();
    for (let n = 0; n < 30; n++) meter.begin('acme', 0);
    for (let atMs = 1000; atMs <= 60_000; atMs += 1000) meter.sample(atMs);
    expect(meter.sample(61_000)[0]?.load).toBeCloseTo(3, 5);
  });

  it('comes with its longest send: one that hangs shows while it is in flight, and some time after it ended', () => {
    const meter = createLoadMeter();
    const longest = (nowMs: number) => {
      perSecond(meter, 10, nowMs - 100, 100);
      return meter.sample(nowMs)[0]?.longestMs;
    };
    expect(longest(100)).toBe(5);
    const end = meter.begin('acme', 200);
    expect(longest(300)).toBe(100);
    expect(longest(1300)).toBe(1100);
    end(1400);
    expect(longest(1500)).toBe(1200);
    expect(longest(6300)).toBe(1200);
    expect(longest(6500)).toBe(5);
  });

  it('is brief up to a second, or longer where everything takes long, but never for the few that hang', () => {
    const loads = (...longest: number[]) =>
      longest.map((longestMs) => ({ customerId: 'c', load: 1, longestMs, measuredForMs: 9000 }));
    expect(briefMsOf(loads(5, 10, 15_000))).toBe(1000);
    expect(briefMsOf(loads(1200, 1400, 1600, 15_000, 900))).toBe(2100);
    expect(briefMsOf(loads(15_000, 15_000, 5))).toBe(4000);
    expect(briefMsOf([])).toBe(1000);
  });

  it('begins again for a customer that was given away', () => {
    const meter = createLoadMeter();
    perSecond(meter, 10, 0, 5000);
    expect(meter.sample(5000)[0]?.measuredForMs).toBe(5000);
    meter.forget('acme');
    expect(meter.sample(5001)).toEqual([]);
    meter.begin('acme', 6000);
    expect(meter.sample(6500)[0]?.measuredForMs).toBe(500);
  });
});

import { describe, expect, it } from '@jest/globals';
import { isOverShare, planHandOvers } from './fair-share.js';

type Customers = Record<string, number>;
type Workers = Record<string, Customers>;

const sum = (customers: Customers) => Object.values(customers).reduce((total, load) => total + load, 0);
const loadsOf = (workers: Workers) =>
  Object.entries(workers).map(([workerId, customers]) => ({ workerId, load: sum(customers) }));
const equal = (prefix: string, count: number, load: number): Customers =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix}${n}`, load]));

/** All workers plan on the same figures, as they do who have read them in the same second; then it is done. */
function round(workers: Workers): number {
  const loads = loadsOf(workers);
  const plans = Object.entries(workers).map(([workerId, customers]) => ({
    customers,
    plan: planHandOvers(
      workerId,
      loads,
      Object.entries(customers).map(([customerId, load]) => ({ customerId, load })),
    ),
  }));
  let moved = 0;
  for (const { customers, plan } of plans) {
    for (const { customerId, toWorkerId } of plan) {
      workers[toWorkerId]![customerId] = customers[customerId]!;
      Reflect.deleteProperty(customers, customerId);
      moved++;
    }
  }
  return moved;
}

describe('handing customers over', () => {
  it('splits evenly in one round what one of two workers carries, and then rests', () => {
    const workers: Workers = { a: equal('c', 40, 2.5), b: {} };
    expect(round(workers)).toBe(20);
    expect(loadsOf(workers).map(({ load }) => load)).toEqual([50, 50]);
    expect(round(workers)).toBe(0);
  });

  it('moves the largest first, so that few have to move', () => {
    const workers: Workers = { a: { ...equal('large', 2, 30), ...equal('small', 40, 1) }, b: {} };
    expect(round(workers)).toBeLessThanOrEqual(21);
    expect(workers['b']).toHaveProperty('large0');
    expect(sum(workers['b']!)).toBeCloseTo(50, 0);
  });

  it('fills a third worker without filling it twice when two are above their share', () => {
    const workers: Workers = { a: equal('a', 50, 2), b: equal('b', 50, 2), c: {} };
    round(workers);
    for (const { load } of loadsOf(workers)) expect(Math.abs(load - 200 / 3)).toBeLessThan(5);
    expect(round(workers)).toBe(0);
  });

  it('leaves a customer alone that is most of the load, and one of three that are equal', () => {
    expect(round({ a: { hot: 500 }, b: {} })).toBe(0);
    const workers: Workers = { a: equal('c', 3, 100), b: {} };
    expect(round(workers)).toBe(1);
    expect(round(workers)).toBe(0);
  });

  it('moves one that makes the busiest less busy, though the other then has the most', () => {
    const workers: Workers = { a: { x: 90, y: 90 }, b: { z: 60 } };
    expect(round(workers)).toBe(1);
    expect(loadsOf(workers).map(({ load }) => load)).toEqual([90, 150]);
    expect(round(workers)).toBe(0);
  });

  it('does nothing about what chance makes of an even split, or where next to nothing is going on', () => {
    const pair = (a: number, b: number) => [
      { workerId: 'a', load: a },
      { workerId: 'b', load: b },
    ];
    expect(isOverShare(1100, pair(1100, 900))).toBe(false);
    expect(isOverShare(1200, pair(1200, 800))).toBe(true);
    expect(isOverShare(56, pair(56, 44))).toBe(false);
    expect(isOverShare(60, pair(60, 40))).toBe(true);
    expect(isOverShare(3, pair(3, 0))).toBe(false);
    expect(isOverShare(100, [{ workerId: 'a', load: 100 }])).toBe(false);
  });

  it('comes to rest from any start, and no worker with customers to spare is left above its share', () => {
    let seed = 1;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let run = 0; run < 200; run++) {
      const workers: Workers = {};
      const count = 2 + Math.floor(random() * 5);
      for (let w = 0; w < count; w++) {
        const customers: Customers = {};
        const many = random() < 0.5 ? 0 : Math.floor(random() * 60);
        for (let c = 0; c < many; c++) customers[`${w}-${c}`] = 0.3 + random() * 5;
        workers[`w${w}`] = customers;
      }
      let rounds = 0;
      while (round(workers) > 0) rounds++;
      expect(rounds).toBeLessThanOrEqual(6);
      const loads = loadsOf(workers);
      for (const customers of Object.values(workers)) {
        if (Object.keys(customers).length > 1) expect(isOverShare(sum(customers), loads)).toBe(false);
      }
    }
  });
});

import { describe, expect, it } from '@jest/globals';
import { createInFlightSlots } from './in-flight-slots.js';

const never = new AbortController().signal;
const turnOver = () => new Promise((resolve) => setImmediate(resolve));

function takers(max: number) {
  const slots = createInFlightSlots<{ slotsMax: number }>(max);
  const started: string[] = [];
  const take = (name: string, holder: { slotsMax: number }, signal = never) => {
    const turn = slots.take(holder, signal);
    if (turn) return turn.then(() => void started.push(name));
    started.push(name);
    return Promise.resolve();
  };
  return { slots, started, take };
}

describe('in-flight slots', () => {
  it('hold a customer to its own number, first come first served', async () => {
    const { slots, started, take } = takers(100);
    const acme = { slotsMax: 2 };
    for (const name of ['a', 'b', 'c', 'd']) void take(name, acme);
    expect(started).toEqual(['a', 'b']);
    slots.give(acme);
    await turnOver();
    expect(started).toEqual(['a', 'b', 'c']);
    expect(slots.total()).toBe(2);
  });

  it('hold the process to its number, but never refuse a customer’s first', async () => {
    const { slots, started, take } = takers(2);
    const [a, b, c] = [{ slotsMax: 5 }, { slotsMax: 5 }, { slotsMax: 5 }];
    for (const name of ['a1', 'a2', 'a3']) void take(name, a);
    for (const name of ['b1', 'b2']) void take(name, b);
    void take('c1', c);
    expect(started).toEqual(['a1', 'a2', 'b1', 'c1']);
    expect(slots.total()).toBe(4);
    slots.give(a);
    slots.give(c);
    await turnOver();
    expect(started).toHaveLength(4);
    slots.give(b);
    await turnOver();
    // Two are in flight again as soon as there is room, the customer that has nothing in flight first.
    expect(started.slice(4)).toEqual(['b2']);
    slots.give(a);
    await turnOver();
    expect(started.slice(5)).toEqual(['a3']);
    expect(slots.total()).toBe(2);
  });

  it('let the next one in when one that waits is aborted', async () => {
    const { slots, started, take } = takers(100);
    const acme = { slotsMax: 1 };
    const abort = new AbortController();
    void take('a', acme);
    const aborted = take('b', acme, abort.signal);
    void take('c', acme);
    abort.abort(new Error('lost'));
    await expect(aborted).rejects.toThrow('lost');
    slots.give(acme);
    await turnOver();
    expect(started).toEqual(['a', 'c']);
    slots.give(acme);
    expect(slots.total()).toBe(0);
  });

  it('let more in when a customer may have more', async () => {
    const { slots, started, take } = takers(100);
    const acme = { slotsMax: 1 };
    for (const name of ['a', 'b', 'c']) void take(name, acme);
    acme.slotsMax = 2;
    slots.admit(acme);
    await turnOver();
    expect(started).toEqual(['a', 'b']);
  });
});

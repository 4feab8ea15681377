import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';

import { createOverflowQueue, OverflowRefused } from './overflow-queue.js';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
});
afterEach(() => {
  jest.useRealTimers();
});

const limits = { runWeightMax: 10, customerWeightMax: 100, itemsMax: 20, waitedMsMax: 10_000 };

/** Runs end when the test says so. */
function heldRuns(overrides: Partial<typeof limits> = {}) {
  const running: { item: string; end: (error?: Error) => void }[] = [];
  const queue = createOverflowQueue<string, string>({
    ...limits,
    ...overrides,
    run: (item) =>
      new Promise((resolve, reject) =>
        running.push({ item, end: (error) => (error ? reject(error) : resolve(`done ${item}`)) }),
      ),
  });
  /** What runs now; ends it. */
  const endRun = async (): Promise<string[]> => {
    await turn();
    const ended = running.splice(0);
    for (const { end } of ended) end();
    await turn();
    return ended.map(({ item }) => item);
  };
  return { queue, running, endRun };
}

describe('the queue of what goes beyond a share', () => {
  it('serves the customers one after the other, each first come first served', async () => {
    const { queue, endRun } = heldRuns();
    const results = Promise.all([
      queue.add('a', 10, 'a1'),
      queue.add('a', 10, 'a2'),
      queue.add('a', 10, 'a3'),
      queue.add('b', 10, 'b1'),
    ]);
    expect([await endRun(), await endRun(), await endRun(), await endRun()]).toEqual([
      ['a1'],
      ['b1'],
      ['a2'],
      ['a3'],
    ]);
    expect(await results).toEqual(['done a1', 'done a2', 'done a3', 'done b1']);
    await queue.idle();
  });

  it('runs those of one customer together that weigh no more than one run may', async () => {
    const { queue, endRun } = heldRuns();
    void Promise.all([1, 4, 5, 2].map((weight) => queue.add('a', weight, `${weight}`)));
    void queue.add('b', 1, 'b');
    expect(await endRun()).toEqual(['1', '4', '5']);
    expect(await endRun()).toEqual(['b']);
    expect(await endRun()).toEqual(['2']);
  });

  it('serves each customer the same weight, be it one large event or many small ones', async () => {
    const { queue, endRun } = heldRuns({ customerWeightMax: 1_000 });
    void Promise.all(['a1', 'a2', 'a3'].map((item) => queue.add('a', 50, item)));
    void Promise.all(Array.from({ length: 6 }, (_, n) => queue.add('b', 10, `b${n + 1}`)));
    const order: string[] = [];
    while (queue.holds('b')) order.push(...(await endRun()));
    expect(order).toEqual(['a1', 'b1', 'b2', 'b3', 'b4', 'b5', 'a2', 'b6']);
  });

  it('gives nobody more for sending one after the other', async () => {
    const { queue, endRun } = heldRuns({ customerWeightMax: 1_000 });
    void Promise.all(['a1', 'a2', 'a3'].map((item) => queue.add('a', 50, item)));
    const sendOn = async (): Promise<void> => {
      for (let n = 0; n < 4; n += 1) await queue.add('b', 50, 'b');
    };
    void sendOn();
    const order: string[] = [];
    for (let n = 0; n < 5; n += 1) order.push(...(await endRun()));
    expect(order).toEqual(['a1', 'b', 'a2', 'b', 'a3']);
  });

  it('gives nobody more for coming later', async () => {
    const { queue, endRun } = heldRuns({ customerWeightMax: 1_000 });
    const add = (customerId: string, items: string[]) =>
      void Promise.all(items.map((item) => queue.add(customerId, 50, item)));
    add('a', ['a1', 'a2', 'a3']);
    const order = [...(await endRun()), ...(await endRun())];
    add('a', ['a4', 'a5']);
    add('b', ['b1', 'b2', 'b3']);
    while (queue.holds('b')) order.push(...(await endRun()));
    expect(order).toEqual(['a1', 'a2', 'a3', 'b1', 'a4', 'b2', 'a5', 'b3']);
  });

  it('holds a customer until the last of it has run', async () => {
    const { queue, endRun } = heldRuns();
    void queue.add('a', 1, 'a');
    expect([queue.holds('a'), queue.holds('b')]).toEqual([true, false]);
    await turn();
    expect(queue.holds('a')).toBe(true);
    await endRun();
    expect(queue.holds('a')).toBe(false);
  });

  it('refuses what is too much for a customer or for all, but one of any weight', async () => {
    const { queue } = heldRuns({ customerWeightMax: 100, itemsMax: 5 });
    void queue.add('a', 1_000, 'a');
    await expect(queue.add('a', 1, 'refused')).rejects.toThrow(OverflowRefused);
    void queue.add('b', 60, 'b1');
    await expect(queue.add('b', 60, 'refused')).rejects.toThrow('60 deliveries');
    void queue.add('b', 40, 'b2');
    void queue.add('c', 1, 'c');
    void queue.add('d', 1, 'd');
    await expect(queue.add('e', 1, 'refused')).rejects.toThrow('5 of all');
  });

  it('leaves something to the next customer, however many events others sent first', () => {
    const { queue } = heldRuns({ itemsMax: 20 });
    const send = (customerId: string) => {
      for (let n = 0; n < 20; n += 1) void queue.add(customerId, 1, customerId).catch(() => undefined);
    };
    send('a');
    send('b');
    send('c');
    expect(['a', 'b', 'c'].map((customerId) => queue.holds(customerId))).toEqual([true, true, true]);
  });

  it('refuses what has waited too long before its turn comes', async () => {
    const { queue, endRun } = heldRuns({ waitedMsMax: 5_000 });
    const running = queue.add('a', 10, 'a');
    await turn();
    const refused = expect(queue.add('b', 10, 'b')).rejects.toThrow('5000 ms');
    jest.advanceTimersByTime(4_000);
    const later = queue.add('b', 10, 'b, later');
    jest.advanceTimersByTime(1_600);
    await refused;
    expect(await endRun()).toEqual(['a']);
    expect(await endRun()).toEqual(['b, later']);
    await Promise.all([running, later, queue.idle()]);
    jest.advanceTimersByTime(1_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('goes on after one that fails', async () => {
    const { queue, running, endRun } = heldRuns();
    const failing = queue.add('a', 10, 'a');
    const next = queue.add('a', 10, 'next');
    await turn();
    running.splice(0).forEach(({ end }) => end(new Error('bad')));
    await expect(failing).rejects.toThrow('bad');
    expect(await endRun()).toEqual(['next']);
    expect(await next).toBe('done next');
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { createOverflowQueue, OverflowRefused } from './overflow-queue.js';

afterEach(() => {
  jest.restoreAllMocks();
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
    const { queue } = heldRuns({ customerWeightMax: 100, itemsMax: 3 });
    void queue.add('a', 1_000, 'a');
    await expect(queue.add('a', 1, 'refused')).rejects.toThrow(OverflowRefused);
    void queue.add('b', 60, 'b1');
    await expect(queue.add('b', 60, 'refused')).rejects.toThrow('60 deliveries');
    void queue.add('b', 40, 'b2');
    await expect(queue.add('c', 1, 'refused')).rejects.toThrow('3 events');
  });

  it('refuses what has waited too long instead of running it', async () => {
    const { queue, endRun } = heldRuns({ waitedMsMax: 5_000 });
    void queue.add('a', 10, 'a');
    await turn();
    const waited = queue.add('b', 10, 'b');
    const startedMs = performance.now();
    jest.spyOn(performance, 'now').mockReturnValue(startedMs + 6_000);
    const late = queue.add('b', 10, 'b, later');
    expect(await endRun()).toEqual(['a']);
    await expect(waited).rejects.toThrow(OverflowRefused);
    expect(await endRun()).toEqual(['b, later']);
    expect(await late).toBe('done b, later');
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

import { beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@posthorn/runtime';
import { Writable } from 'node:stream';

import { SharedCounter } from '../test-support/shared-counter.js';
import { createRateLimiter, type RateLimiter } from './rate-limiter.js';

const limit = { max: 160, perSeconds: 1 };
let counter: SharedCounter;
let log: string[];

beforeEach(() => {
  counter = new SharedCounter();
  log = [];
});

/** A limiter of one process; all share the counter. */
function limiter(): RateLimiter {
  const destination = new Writable({
    write(line: Buffer, _encoding, done) {
      log.push((JSON.parse(line.toString()) as { msg: string }).msg);
      done();
    },
  });
  const logger = createLogger({ level: 'info', role: 'test', destination });
  return createRateLimiter({ counter, logger, nowMs: () => counter.nowMs });
}

async function allowed(process: RateLimiter, times: number, what = limit): Promise<number> {
  let count = 0;
  for (let n = 0; n < times; n++) if ((await process.take('a', what)).allowed) count++;
  return count;
}

describe('a rate limiter', () => {
  it('lets as many through as the limit says, then none until the window ends, then as many again', async () => {
    const process = limiter();
    expect(await allowed(process, 500)).toBe(160);
    expect(await process.take('a', limit)).toEqual({ allowed: false, remaining: 0, resetMs: 1_000 });
    counter.nowMs += 999;
    expect(await process.take('a', limit)).toMatchObject({ allowed: false, resetMs: 1 });
    counter.nowMs += 1;
    expect(await allowed(process, 500)).toBe(160);
  });

  it('asks for a sixteenth of the limit at a time, and nothing more once it is used up', async () => {
    const process = limiter();
    await allowed(process, 40);
    expect(counter.asked).toBeLessThanOrEqual(5);
    await allowed(process, 10_000);
    expect(counter.asked).toBeLessThanOrEqual(17);
  });

  it('answers at once while it has a share, and before that runs out it has the next one', async () => {
    const process = limiter();
    await process.take('a', limit);
    let waited = 0;
    for (let n = 0; n < 100; n++) {
      const verdict = process.take('a', limit);
      if (verdict instanceof Promise) waited++;
      await verdict;
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
    expect(waited).toBe(0);
  });

  it.each([1, 5, 16, 17, 100, 1_000])(
    'never lets more than a limit of %d through in a window over all processes, and all of it when they keep asking',
    async (max) => {
      const what = { max, perSeconds: 1 };
      const processes = Array.from({ length: 4 }, limiter);
      const counts = await Promise.all(
        processes.map(async (process, index) => {
          // At once, so that many wait for the same share; and one after the other.
          const atOnce = await Promise.all(
            Array.from({ length: max * (index + 1) }, async () => process.take('a', what)),
          );
          return atOnce.filter((verdict) => verdict.allowed).length + (await allowed(process, 10, what));
        }),
      );
      expect(counts.reduce((sum, count) => sum + count)).toBe(max);
    },
  );

  it('spends nothing in a window that it was given for the one before', async () => {
    const [one, another] = [limiter(), limiter()];
    await one.take('a', limit);
    counter.nowMs += 1_000;
    expect((await allowed(one, 200)) + (await allowed(another, 200))).toBe(160);
  });

  it('counts each name by itself', async () => {
    const process = limiter();
    await allowed(process, 500);
    expect(await process.take('b', limit)).toMatchObject({ allowed: true });
  });

  it('lets everything through while nobody counts, waiting once, and says so once', async () => {
    const process = limiter();
    counter.isDown = true;
    expect(await allowed(process, 500)).toBe(500);
    expect(process.take('b', limit)).toEqual({ allowed: true, remaining: null, resetMs: 0 });
    expect(counter.asked).toBe(1);
    counter.nowMs += 5_000;
    expect(await allowed(process, 500)).toBe(500);
    expect(log).toEqual(['rate_limits.suspended']);

    counter.isDown = false;
    counter.nowMs += 5_000;
    await process.take('a', limit);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(log).toEqual(['rate_limits.suspended', 'rate_limits.restored']);
    expect(await allowed(process, 500)).toBeLessThanOrEqual(160);
  });
});

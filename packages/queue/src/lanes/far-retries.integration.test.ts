import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { JobVerdict } from '../delivery-job.js';
import { laneName } from './lane-name.js';
import { deliveryJob, newId, queueUnderTest, type QueueUnderTest } from '../test-support/queue-under-test.js';

const HOUR_MS = 3_600_000;
let testing: TestRedis;
let queue: QueueUnderTest;

beforeEach(async () => {
  testing = testRedis();
  queue = await queueUnderTest(testing);
});
afterEach(async () => {
  await queue.close();
  await testing.drop();
});

const delayedIn = (endpointId: string) =>
  queue.redis.zcard(`${testing.prefix}:${laneName('acme', endpointId)}:delayed`);
const jobsIn = async (endpointId: string) =>
  (await queue.redis.keys(`${testing.prefix}:${laneName('acme', endpointId)}:*-1`)).length;

/** Jobs of one endpoint, all answered with this verdict; resolves when each has been handled. */
async function run(endpointId: string, jobs: number, verdict: JobVerdict, delayedMax: number): Promise<void> {
  let handled = 0;
  await queue.dispatch({
    delayedMax,
    handle: () => {
      handled++;
      return Promise.resolve(verdict);
    },
  });
  await queue.producer.enqueue(Array.from({ length: jobs }, () => deliveryJob({ endpointId })));
  await waitUntil(() => handled === jobs);
  await waitUntil(async () => (await queue.redis.llen(activeOf(endpointId))) === 0);
}
const activeOf = (endpointId: string) => `${testing.prefix}:${laneName('acme', endpointId)}:active`;

describe('a customer with many delayed jobs', () => {
  it('has no more far retries in Redis than the limit; the jobs of others are over', async () => {
    const endpointId = newId();
    await run(endpointId, 50, { kind: 'retry', delayMs: HOUR_MS }, 20);
    expect(await delayedIn(endpointId)).toBe(20);
    expect(await jobsIn(endpointId)).toBe(20);
  });

  it('has all retries in Redis that are due within a quarter of an hour', async () => {
    const endpointId = newId();
    await run(endpointId, 50, { kind: 'retry', delayMs: 14 * 60_000 }, 20);
    expect(await delayedIn(endpointId)).toBe(50);
  });

  it('counts what waits in its other lanes since before the lease', async () => {
    const other = newId();
    const endpointId = newId();
    await queue.producer.enqueue(
      Array.from({ length: 30 }, () => deliveryJob({ endpointId: other, delayMs: HOUR_MS })),
    );
    let handled = 0;
    await queue.dispatch({
      delayedMax: 20,
      handle: () => {
        handled++;
        return Promise.resolve({ kind: 'retry', delayMs: HOUR_MS });
      },
    });
    // The first far retry has the others counted, the next ones know.
    for (let jobs = 1; jobs <= 10; jobs += 1) {
      await queue.producer.enqueue([deliveryJob({ endpointId })]);
      await waitUntil(() => handled === jobs);
    }
    await waitUntil(async () => (await queue.redis.llen(activeOf(endpointId))) === 0);
    expect(await delayedIn(endpointId)).toBeLessThan(10);
    expect(await delayedIn(other)).toBe(30);
  });
});

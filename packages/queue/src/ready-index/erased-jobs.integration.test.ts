import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import {
  deliveryJob,
  gate,
  newId,
  queueUnderTest,
  type QueueUnderTest,
} from '../test-support/queue-under-test.js';

const HOUR_MS = 3_600_000;

describe('erasing a customer from the queue', () => {
  let shared: TestRedis;
  let queue: QueueUnderTest;
  beforeEach(async () => {
    shared = testRedis();
    queue = await queueUnderTest(shared);
  });
  afterEach(async () => {
    await queue.close();
    await shared.drop();
  });

  const keysOf = async (customerId: string) => (await queue.keys()).filter((key) => key.includes(customerId));
  /** Where it stands beside keys of its own. */
  const isIndexed = async (customerId: string) =>
    (await queue.redis.zscore(`${shared.prefix}:index:ready`, customerId)) !== null ||
    (await queue.redis.hexists(`${shared.prefix}:index:owner`, customerId)) === 1;

  it('removes all its jobs and lanes, however many, and no other customer’s', async () => {
    const [one, other] = [newId(), newId()];
    const jobs = Array.from({ length: 2_600 }, (_, i) =>
      deliveryJob({
        customerId: 'leaving',
        endpointId: i % 2 === 0 ? one : other,
        delayMs: i % 3 === 0 ? HOUR_MS : 0,
      }),
    );
    const kept = [
      deliveryJob({ customerId: 'staying' }),
      deliveryJob({ customerId: 'staying', delayMs: HOUR_MS }),
    ];
    await queue.producer.enqueue([...jobs, ...kept]);
    // As a rate limit leaves them.
    await queue.redis.set(`${shared.prefix}:index:pace:leaving`, '1');
    const before = await keysOf('staying');
    expect(await isIndexed('leaving')).toBe(true);

    await queue.producer.eraseCustomer('leaving');
    expect(await keysOf('leaving')).toEqual([]);
    expect(await isIndexed('leaving')).toBe(false);
    expect(await queue.missing(jobs)).toHaveLength(jobs.length);
    expect((await keysOf('staying')).sort()).toEqual(before.sort());
    expect(await queue.missing(kept)).toEqual([]);
    await queue.producer.eraseCustomer('leaving');
  });

  it('takes what is being sent from its worker, which stops, and lets go of the customer', async () => {
    const job = deliveryJob({ customerId: 'leaving' });
    const later = deliveryJob({ customerId: 'leaving', endpointId: job.endpointId, delayMs: HOUR_MS });
    const started = gate();
    const handled: string[] = [];
    let stopped = false;
    await queue.dispatch({
      handle: async ({ deliveryId }, signal) => {
        handled.push(deliveryId);
        if (deliveryId !== job.deliveryId) return { kind: 'done' };
        started.open();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        stopped = true;
        // What a worker makes of a send that was aborted.
        return { kind: 'retry', delayMs: 0 };
      },
    });
    await queue.producer.enqueue([job, later]);
    await started.opened;
    await queue.producer.eraseCustomer('leaving');
    await waitUntil(() => stopped);
    await waitUntil(async () => (await keysOf('leaving')).length === 0 && !(await isIndexed('leaving')));
    expect(handled).toEqual([job.deliveryId]);

    // The next customer of the same id.
    const next = deliveryJob({ customerId: 'leaving' });
    await queue.producer.enqueue([next]);
    await waitUntil(() => handled.includes(next.deliveryId));
    expect(handled).toEqual([job.deliveryId, next.deliveryId]);
  });
});

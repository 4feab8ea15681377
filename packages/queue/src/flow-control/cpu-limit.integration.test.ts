import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import type { JobVerdict } from '../delivery-job.js';
import { deliveryJob, newId, queueUnderTest, type QueueUnderTest } from '../test-support/queue-under-test.js';

const delivered: JobVerdict = { kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } };
const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

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

it('takes slots from a customer that keeps the CPU busy while others have work, and gives them back after', async () => {
  const endpointId = newId();
  let running = 0;
  /** How many of the flood were under way at its last starts, the newest last. */
  const underWay: number[] = [];
  let othersHaveWork = true;
  const oneMore = (customerId: string) => queue.producer.enqueue([deliveryJob({ customerId })]);
  await queue.producer.enqueue(
    Array.from({ length: 10_000 }, () => deliveryJob({ customerId: 'flood', endpointId })),
  );
  await queue.dispatch({
    handle: async ({ customerId }) => {
      if (customerId !== 'flood') {
        await tick();
        if (othersHaveWork) await oneMore(customerId);
        return delivered;
      }
      running++;
      underWay.push(running);
      await tick();
      const untilMs = performance.now() + 3;
      while (performance.now() < untilMs);
      running--;
      return delivered;
    },
  });
  const last = (starts: number) => underWay.slice(-starts);
  await waitUntil(() => Math.max(...last(20)) === 10);
  await Promise.all(['quiet-1', 'quiet-2', 'quiet-3'].map(oneMore));
  await waitUntil(() => Math.max(...last(20)) <= 2, { timeoutMs: 20_000 });
  const before = underWay.length;
  othersHaveWork = false;
  await waitUntil(() => Math.max(...last(20)) === 10, { timeoutMs: 20_000 });
  // It went on all the time.
  expect(underWay.length).toBeGreaterThan(before);
}, 90_000);

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import type { JobVerdict } from '../delivery-job.js';
import { slowStartFigures } from './slow-start-scheduler.js';
import {
  deliveryJob,
  gate,
  newId,
  queueUnderTest,
  type QueueUnderTest,
} from '../test-support/queue-under-test.js';

const delivered: JobVerdict = { kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } };

describe('slow start, in the dispatcher', () => {
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

  const jobsFor = (endpointId: string, count: number, customerId = 'acme') =>
    Array.from({ length: count }, () => deliveryJob({ customerId, endpointId }));

  it('lets an endpoint that answers have all it may have under way after a few rounds', async () => {
    const endpointId = newId();
    let running = 0;
    const runningAtStart: number[] = [];
    await queue.producer.enqueue(jobsFor(endpointId, 60));
    await queue.dispatch({
      handle: async () => {
        running += 1;
        runningAtStart.push(running);
        await new Promise((resolve) => setTimeout(resolve, 50));
        running -= 1;
        return delivered;
      },
    });
    await waitUntil(() => runningAtStart.length === 60);
    // One, two, then four at a time.
    expect(Math.max(...runningAtStart.slice(0, 3))).toBeLessThanOrEqual(2);
    expect(Math.max(...runningAtStart.slice(3, 7))).toBeLessThanOrEqual(4);
    expect(Math.max(...runningAtStart)).toBe(10);
  });

  it('lets an endpoint that takes its time have all it may have as well, a little later', async () => {
    const endpointId = newId();
    const hold = gate();
    const startedAtMs: number[] = [];
    await queue.producer.enqueue(jobsFor(endpointId, 30));
    const dispatcher = await queue.dispatch({
      handle: async () => {
        startedAtMs.push(performance.now());
        await hold.opened;
        return delivered;
      },
    });
    await waitUntil(() => startedAtMs.length === 10);
    const [first = 0, second = 0, third = 0, fourth = 0] = startedAtMs;
    // One, then two after a while, then four, and never more than the limit.
    expect(second - first).toBeGreaterThanOrEqual(slowStartFigures.patienceMs - 5);
    expect(third - second).toBeGreaterThanOrEqual(slowStartFigures.patienceMs - 5);
    expect((startedAtMs[4] ?? 0) - fourth).toBeGreaterThanOrEqual(slowStartFigures.patienceMs - 5);
    expect(dispatcher.stats().inFlight).toBe(10);
    hold.open();
    await waitUntil(() => startedAtMs.length === 30);
    expect(queue.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('starts first sends of quiet customers while hundreds whose endpoints hang have theirs to grow', async () => {
    const customers = 150;
    const perCustomer = 20;
    const hold = gate();
    let hanging = 0;
    const hangingBefore: number[] = [];
    const jobs = Array.from({ length: customers }, (_, n) =>
      jobsFor(newId(), perCustomer, `hanging-${n}`),
    ).flat();
    await queue.producer.enqueue(jobs);
    await queue.dispatch({
      laneLimits: () =>
        Promise.resolve({ customerMaxInFlight: perCustomer, endpointMaxInFlight: perCustomer }),
      handle: async ({ customerId }) => {
        if (customerId.startsWith('quiet')) {
          hangingBefore.push(hanging);
          return delivered;
        }
        hanging += 1;
        await hold.opened;
        return delivered;
      },
    });
    await waitUntil(() => hanging >= customers, { timeoutMs: 20_000 });
    await queue.producer.enqueue(
      Array.from({ length: 20 }, (_, n) => deliveryJob({ customerId: `quiet-${n}` })),
    );
    await waitUntil(() => hangingBefore.length === 20, { timeoutMs: 20_000 });
    // Without slow start, all of them.
    expect(Math.max(...hangingBefore)).toBeLessThan((customers * perCustomer) / 2);
    await waitUntil(() => hanging === customers * perCustomer, { timeoutMs: 60_000 });
    hold.open();
  }, 120_000);

  it('starts no more sends a second to endpoints that hang than the process may, over all lanes together', async () => {
    const customers = 60;
    const perCustomer = 20;
    const hold = gate();
    const startedAtMs: number[] = [];
    await queue.dispatch({
      laneLimits: () =>
        Promise.resolve({ customerMaxInFlight: perCustomer, endpointMaxInFlight: perCustomer }),
      handle: async () => {
        startedAtMs.push(performance.now());
        await hold.opened;
        return delivered;
      },
    });
    const jobs = Array.from({ length: customers }, (_, n) => jobsFor(newId(), perCustomer, `hanging-${n}`));
    await queue.producer.enqueue(jobs.flat());
    await waitUntil(() => startedAtMs.length === customers * perCustomer, { timeoutMs: 60_000 });
    // The first of each lane has started at once.
    const seconds = (startedAtMs.at(-1)! - startedAtMs[0]!) / 1000;
    const raised = customers * (perCustomer - 1);
    expect(raised / seconds).toBeLessThan(slowStartFigures.startsPerSecond * 1.1);
    hold.open();
  }, 120_000);

  it('opens the lane of the customer that comes last before most of those that wait to be opened', async () => {
    const customers = 300;
    const hold = gate();
    const handled: string[] = [];
    await queue.producer.enqueue(
      Array.from({ length: customers }, (_, n) => deliveryJob({ customerId: `early-${n}` })),
    );
    await queue.producer.enqueue([deliveryJob({ customerId: 'late' })]);
    const dispatcher = await queue.dispatch({
      laneLimits: async () => {
        await hold.opened;
        return { customerMaxInFlight: 20, endpointMaxInFlight: 10 };
      },
      handle: async ({ customerId }) => {
        handled.push(customerId);
        return delivered;
      },
    });
    await waitUntil(() => dispatcher.stats().customers === customers + 1);
    hold.open();
    await waitUntil(() => handled.length === customers + 1, { timeoutMs: 20_000 });
    expect(handled.indexOf('late')).toBeLessThan(customers / 2);
  });

  it('continues after failures that do not open the breaker', async () => {
    const endpointId = newId();
    let attempts = 0;
    await queue.dispatch({
      handle: async () => {
        attempts += 1;
        return attempts < 5 ? { kind: 'done', healthSignal: { kind: 'failure', pauseMs: 0 } } : delivered;
      },
    });
    await queue.producer.enqueue(jobsFor(endpointId, 40));
    await waitUntil(() => attempts === 40);
  });
});

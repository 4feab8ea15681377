import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryRef } from '@posthorn/domain';
import { startChildScript, startPrivateRedis, testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import { laneJobId } from './lanes/lane-job.js';
import { laneName } from './lanes/lane-name.js';
import {
  deliveryJob,
  gate,
  newId,
  queueUnderTest,
  quickly,
  type QueueUnderTest,
} from './test-support/queue-under-test.js';

const done = { kind: 'done' } as const;

describe('the dispatcher, when something breaks', () => {
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

  const activeIn = (lane: string) => queue.redis.llen(`${shared.prefix}:${lane}:active`);

  it('runs a job again that was active in a killed process, and ends it', async () => {
    const [started, waiting, delayed] = [
      deliveryJob({ customerId: 'a' }),
      deliveryJob({ customerId: 'b' }),
      deliveryJob({ customerId: 'b', delayMs: 100 }),
    ];
    const script = startChildScript(`
      import { createDispatcher } from '${new URL('./dispatcher.ts', import.meta.url).href}';
      const logger = { debug() {}, info() {}, warn() {}, error() {} };
      const dispatcher = createDispatcher({
        ...${JSON.stringify(quickly)},
        redisUrl: '${shared.url}',
        prefix: '${shared.prefix}',
        workerId: 'doomed',
        logger,
        laneLimits: async () => ({ customerMaxInFlight: 20, endpointMaxInFlight: 10 }),
        handle: (job) => {
          console.log(job.deliveryId);
          return new Promise(() => {});
        },
      });
      await dispatcher.start();
      console.log('started');
    `);
    try {
      expect(await script.nextLine()).toBe('started');
      await queue.producer.enqueue([started]);
      expect(await script.nextLine()).toBe(started.deliveryId);
    } finally {
      await script.kill('SIGKILL');
    }
    // The dead owner keeps its customer until its lease ends; what comes meanwhile must not be lost either.
    await queue.producer.enqueue([waiting, delayed]);

    const ended: string[] = [];
    const dispatcher = await queue.dispatch({
      // Found by the claim itself, not by a later check.
      stalledIntervalMs: 60_000,
      handle: async ({ deliveryId }) => {
        ended.push(deliveryId);
        return done;
      },
    });
    await waitUntil(() => ended.length === 3);
    expect(ended).toContain(started.deliveryId);
    expect(dispatcher.stats().stalled).toBe(1);
    await waitUntil(async () => (await queue.keys()).length === 0);
  });

  it('takes a job up again however often its worker was lost', async () => {
    const job = deliveryJob();
    const key = `${shared.prefix}:${laneName(job.customerId, job.endpointId)}:${laneJobId(job)}`;
    let runs = 0;
    await queue.producer.enqueue([job]);
    await queue.dispatch({
      handle: async () => {
        runs += 1;
        // The lock goes, and the job has no owner: what its worker's death looks like to all others.
        if (runs <= 4) await queue.redis.del(`${key}:lock`);
        return done;
      },
    });
    await waitUntil(() => runs === 5, { timeoutMs: 15_000 });
    await waitUntil(async () => (await queue.missing([job])).length === 1);
    expect(await queue.redis.exists(key)).toBe(0);
  });

  it('aborts a send whose lock was lost, leaves its outcome aside and runs the job again', async () => {
    const job = deliveryJob();
    const lane = laneName(job.customerId, job.endpointId);
    const lock = `${shared.prefix}:${lane}:${laneJobId(job)}:lock`;
    let aborted = 0;
    let runs = 0;
    await queue.producer.enqueue([job]);
    const dispatcher = await queue.dispatch({
      handle: async (_job, signal) => {
        runs += 1;
        if (runs > 1) return done;
        await queue.redis.del(lock);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        aborted += 1;
        // Would put the job off for an hour, if it were still this run's to decide.
        return { kind: 'retry', delayMs: 3_600_000 };
      },
    });
    await waitUntil(() => runs === 2);
    expect(aborted).toBe(1);
    expect(dispatcher.stats().locksLost).toBe(1);
    await waitUntil(async () => (await queue.missing([job])).length === 1);
  });

  it('keeps the lock of a send that takes longer than the lock', async () => {
    const job = deliveryJob();
    let runs = 0;
    await queue.producer.enqueue([job]);
    const dispatcher = await queue.dispatch({
      handle: async (_job, signal) => {
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, quickly.jobLockMs * 1.5));
        expect(signal.aborted).toBe(false);
        return done;
      },
    });
    await waitUntil(async () => (await queue.missing([job])).length === 1);
    expect(runs).toBe(1);
    expect(dispatcher.stats()).toMatchObject({ locksLost: 0, stalled: 0, leasesLost: 0 });
  });

  it('hands everything over when it stops: what runs ends, what waits goes to another at once', async () => {
    const hold = gate();
    const [busyLane, queuedLane] = [newId(), newId()];
    const first: string[] = [];
    const second: string[] = [];
    const limits = { customerMaxInFlight: 1, endpointMaxInFlight: 4 };
    const stopping = await queue.dispatch({
      leaseMs: 60_000,
      laneLimits: async () => limits,
      handle: async ({ deliveryId }) => {
        first.push(deliveryId);
        await hold.opened;
        return done;
      },
    });
    const busy = deliveryJob({ endpointId: busyLane });
    await queue.producer.enqueue([busy]);
    await waitUntil(() => first.length === 1);
    // One of these is fetched and waits for the customer's only slot.
    const queued = [deliveryJob({ endpointId: queuedLane }), deliveryJob({ endpointId: queuedLane })];
    await queue.producer.enqueue(queued);
    await waitUntil(async () => (await activeIn(laneName('acme', queuedLane))) === 1);
    await queue.dispatch({
      laneLimits: async () => limits,
      handle: async ({ deliveryId }) => {
        second.push(deliveryId);
        return done;
      },
    });
    const otherCustomer = deliveryJob({ customerId: 'other', delayMs: 4_000 });
    await queue.producer.enqueue([otherCustomer]);
    const stopped = stopping.stop({ deadlineMs: 10_000 });
    await waitUntil(async () => (await activeIn(laneName('acme', queuedLane))) === 0);
    expect([first, second]).toEqual([[busy.deliveryId], []]);
    hold.open();
    await stopped;
    await waitUntil(() => second.length === 3);
    expect(first).toEqual([busy.deliveryId]);
    expect(new Set(second)).toEqual(new Set([...queued, otherCustomer].map(({ deliveryId }) => deliveryId)));
    await waitUntil(async () => (await queue.missing([busy, ...queued])).length === 3);
  });

  it('hands over a customer that has nothing in flight while it still waits for another’s sends', async () => {
    const hold = gate();
    const stopping = await queue.dispatch({
      leaseMs: 60_000,
      idleReleaseMs: 60_000,
      handle: async ({ customerId }) => {
        if (customerId === 'slow') await hold.opened;
        return done;
      },
    });
    const [slow, quick] = [deliveryJob({ customerId: 'slow' }), deliveryJob({ customerId: 'quick' })];
    await queue.producer.enqueue([slow, quick]);
    await waitUntil(async () => (await queue.missing([quick])).length === 1);
    expect(stopping.stats().customers).toBe(2);
    const stopped = stopping.stop({ deadlineMs: 10_000 });
    await waitUntil(() => stopping.stats().customers === 1);
    const handled: string[] = [];
    await queue.dispatch({
      handle: async ({ customerId }) => {
        handled.push(customerId);
        return done;
      },
    });
    await queue.producer.enqueue([deliveryJob({ customerId: 'quick' })]);
    await waitUntil(() => handled.length === 1);
    expect(stopping.stats().inFlight).toBe(1);
    hold.open();
    await stopped;
    expect(await queue.missing([slow])).toEqual([slow]);
  });

  it('aborts what does not end before the deadline of a stop, and another worker runs it', async () => {
    const job = deliveryJob();
    let aborted = false;
    const stopping = await queue.dispatch({
      leaseMs: 60_000,
      jobLockMs: 60_000,
      handle: async (_job, signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        aborted = true;
        throw new Error('aborted');
      },
    });
    await queue.producer.enqueue([job]);
    await waitUntil(() => stopping.stats().inFlight === 1);
    await stopping.stop({ deadlineMs: 50 });
    expect(aborted).toBe(true);
    let ran = false;
    await queue.dispatch({
      handle: async () => {
        ran = true;
        return done;
      },
    });
    await waitUntil(() => ran);
    expect(queue.logger.lines.filter(({ event }) => event === 'job.handler_failed')).toEqual([]);
  });

  it('leaves a job that ignores its abort to its lock: the customer comes due when that ends', async () => {
    const job = deliveryJob();
    const stopping = await queue.dispatch({
      leaseMs: 60_000,
      jobLockMs: 3_000,
      handle: () => new Promise(() => undefined),
    });
    await queue.producer.enqueue([job]);
    await waitUntil(() => stopping.stats().inFlight === 1);
    await stopping.stop({ deadlineMs: 0 });
    let ran = false;
    await queue.dispatch({
      handle: async () => {
        ran = true;
        return done;
      },
    });
    await waitUntil(() => ran);
  });

  it('ends no lease by an announcement, though the owner’s subscription is gone', async () => {
    const endpointId = newId();
    const hold = gate();
    const running: string[] = [];
    let ran = 0;
    const handle = async (job: DeliveryRef) => {
      running.push(job.endpointId);
      await hold.opened;
      ran += 1;
      return done;
    };
    const laneLimits = async () => ({ customerMaxInFlight: 3, endpointMaxInFlight: 2 });
    const workerId = `deaf-${newId()}`;
    const owner = await queue.dispatch({ handle, laneLimits, workerId });
    await queue.producer.enqueue([deliveryJob({ endpointId }), deliveryJob({ endpointId })]);
    await waitUntil(() => running.length === 2);
    const other = await queue.dispatch({ handle, laneLimits });
    const clients = String(await queue.redis.client('LIST')).split('\n');
    const line = clients.find((client) => client.includes(`name=posthorn:announcements:${workerId} `))!;
    await queue.redis.client('KILL', 'ID', /id=(\d+)/.exec(line)![1]!);
    // Announced while no worker listens: found by the owner when it subscribes again.
    const otherLane = deliveryJob();
    await queue.producer.enqueue([deliveryJob({ endpointId }), otherLane]);
    await waitUntil(() => running.length === 3);
    expect(running).toEqual([endpointId, endpointId, otherLane.endpointId]);
    hold.open();
    await waitUntil(() => ran === 4);
    expect(owner.stats().leasesLost).toBe(0);
    expect(other.stats().claimed).toBe(0);
  });

  it('keeps a customer to itself for as long as it works for it, however much waits', async () => {
    const endpointId = newId();
    const hold = gate();
    let running = 0;
    let ran = 0;
    const options = {
      leaseMs: 300,
      laneLimits: async () => ({ customerMaxInFlight: 1, endpointMaxInFlight: 1 }),
      handle: async () => {
        running += 1;
        await hold.opened;
        ran += 1;
        return done;
      },
    };
    const owner = await queue.dispatch(options);
    await queue.producer.enqueue([deliveryJob({ endpointId }), deliveryJob({ endpointId })]);
    await waitUntil(() => running === 1);
    const other = await queue.dispatch(options);
    const until = Date.now() + 1500;
    await waitUntil(() => other.stats().claimed > 0 || Date.now() > until);
    expect(running).toBe(1);
    expect([owner.stats().leasesLost, owner.stats().claimed, other.stats().claimed]).toEqual([0, 1, 0]);
    hold.open();
    await waitUntil(() => ran === 2);
  });
});

describe('the dispatcher, with a Redis of its own', () => {
  it('uses as many connections with 500 customers active as with none', async () => {
    const own = await startPrivateRedis();
    const queue = await queueUnderTest({ url: own.url, prefix: '{ph:0}' });
    try {
      const clients = async () =>
        Number(/connected_clients:(\d+)/.exec(await queue.redis.info('clients'))?.[1]);
      const hold = gate();
      let running = 0;
      const before = await clients();
      const dispatcher = await queue.dispatch({
        // However long it takes to start them all.
        leaseMs: 60_000,
        jobLockMs: 60_000,
        handle: async () => {
          running += 1;
          await hold.opened;
          return done;
        },
      });
      const idle = await clients();
      expect(idle - before).toBe(2);
      const jobs = Array.from({ length: 1000 }, (_, i) => deliveryJob({ customerId: `customer-${i % 500}` }));
      await queue.producer.enqueue(jobs);
      await waitUntil(() => running === 1000);
      expect(dispatcher.stats()).toMatchObject({ customers: 500, lanes: 1000, inFlight: 1000 });
      expect(await clients()).toBe(idle);
      hold.open();
      await waitUntil(() => dispatcher.stats().inFlight === 0);
    } finally {
      await queue.close();
      await own.stop();
    }
  });

  it('continues when Redis was restarted with its data', async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'queue-restart-'));
    let own = await startPrivateRedis({ dataDir, persistent: true });
    const queue = await queueUnderTest({ url: own.url, prefix: '{ph:0}' });
    try {
      const handled = new Set<string>();
      await queue.dispatch({
        handle: async ({ deliveryId }) => {
          handled.add(deliveryId);
          return done;
        },
      });
      const jobs = Array.from({ length: 40 }, (_, i) =>
        deliveryJob({ customerId: `customer-${i % 10}`, delayMs: i < 20 ? 0 : 1000 + i }),
      );
      await queue.producer.enqueue(jobs);
      await waitUntil(() => handled.size >= 10);
      await own.stop();
      await waitUntil(() => queue.producer.status() === 'down');
      own = await startPrivateRedis({ dataDir, persistent: true, port: own.port });
      await waitUntil(() => handled.size === 40, { timeoutMs: 15_000 });
      await waitUntil(() => queue.producer.status() === 'ready');
      await queue.producer.enqueue([deliveryJob(), deliveryJob({ customerId: 'customer-1' })]);
      await waitUntil(() => handled.size === 42);
    } finally {
      await queue.close();
      await own.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('continues when Redis came back empty: it drops what it held and takes what is added again', async () => {
    const own = await startPrivateRedis();
    const queue = await queueUnderTest({ url: own.url, prefix: '{ph:0}' });
    try {
      const handled: string[] = [];
      const dispatcher = await queue.dispatch({
        handle: async ({ deliveryId }) => {
          handled.push(deliveryId);
          return { kind: 'retry', delayMs: 60_000 };
        },
      });
      const jobs = Array.from({ length: 20 }, (_, i) => deliveryJob({ customerId: `customer-${i % 5}` }));
      await queue.producer.enqueue(jobs);
      await waitUntil(() => handled.length === 20);
      await queue.redis.flushall();
      expect(await queue.missing(jobs)).toEqual(jobs);
      await queue.producer.enqueue(jobs);
      await waitUntil(() => handled.length === 40, { timeoutMs: 15_000 });
      expect(dispatcher.stats().inFlight).toBe(0);
    } finally {
      await queue.close();
      await own.stop();
    }
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startPrivateRedis, testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import { Queue } from 'bullmq';
import { laneJobId, laneJobName, laneJobOptions } from './lanes/lane-job.js';
import { laneName } from './lanes/lane-name.js';
import { createQueueProducer } from './queue-producer.js';
import {
  deliveryJob,
  newId,
  queueUnderTest,
  recordingLogger,
  type QueueUnderTest,
} from './test-support/queue-under-test.js';
import { redisProxy } from './test-support/redis-proxy.js';

describe('the queue producer', () => {
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

  const keysEnding = async (ending: string) => (await queue.keys()).filter((key) => key.endsWith(ending));

  it('adds ids only, options that never end a job, and one job however often it is added', async () => {
    const job = deliveryJob({ generation: 3 });
    await queue.producer.enqueue([job, job]);
    await queue.producer.enqueue([job]);
    const [wait] = await keysEnding(':wait');
    expect(await queue.redis.lrange(wait!, '0', '-1')).toEqual([`${job.deliveryId}-3`]);
    const stored = await queue.redis.hgetall(wait!.replace(/wait$/, `${job.deliveryId}-3`));
    const { deliveryId, eventId, endpointId, generation } = job;
    expect(JSON.parse(stored['data']!)).toEqual({ deliveryId, eventId, endpointId, generation });
    expect(JSON.parse(stored['opts']!)).toEqual({
      attempts: 1_000_000_000,
      backoff: { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: true,
      stackTraceLimit: 0,
    });
  });

  it('adds a job as BullMQ itself does, to the last field and key', async () => {
    const job = deliveryJob({ customerId: 'ours' });
    await queue.producer.enqueue([job]);
    const bull = new Queue(laneName('theirs', job.endpointId), {
      connection: queue.redis,
      prefix: shared.prefix,
      skipMetasUpdate: true,
    });
    const { deliveryId, eventId, endpointId, generation } = job;
    await bull.add(
      laneJobName,
      { deliveryId, eventId, endpointId, generation },
      {
        ...laneJobOptions,
        jobId: laneJobId(job),
      },
    );
    const state = async (customerId: string) => {
      const front = `${shared.prefix}:${laneName(customerId, endpointId)}:`;
      const keys = (await queue.keys()).filter((key) => key.startsWith(front)).sort();
      const { timestamp, opts, ...fields } = await queue.redis.hgetall(`${front}${laneJobId(job)}`);
      return {
        keys: keys.map((key) => key.slice(front.length)),
        fields,
        // BullMQ's Queue repeats the job's id among its options.
        options: { ...(JSON.parse(opts!) as object), jobId: undefined },
        timestampDigits: timestamp?.length,
        waiting: await queue.redis.lrange(`${front}wait`, '0', '-1'),
        events: (await queue.redis.xrange(`${front}events`, '-', '+')).map(([, event]) => event),
      };
    };
    await bull.close();
    expect(await state('ours')).toEqual(await state('theirs'));
  });

  it('keeps a lane’s event stream short', async () => {
    const endpointId = newId();
    for (let n = 0; n < 5; n++) {
      await queue.producer.enqueue(Array.from({ length: 100 }, () => deliveryJob({ endpointId })));
    }
    const [events] = await keysEnding(':events');
    expect(await queue.redis.xlen(events!)).toBeLessThan(400);
  });

  it('finds which jobs are missing, whatever the state of the others, over more than one call’s worth', async () => {
    const present = Array.from({ length: 1100 }, (_, n) =>
      deliveryJob({ customerId: `customer-${n % 50}`, delayMs: n % 2 === 0 ? 0 : 60_000 }),
    );
    const missing = Array.from({ length: 1100 }, (_, n) => deliveryJob({ customerId: `customer-${n % 50}` }));
    await queue.producer.enqueue(present);
    const asked = present.flatMap((job, n) => [job, missing[n]!]);
    expect(await queue.missing(asked)).toEqual(missing);
    expect(await queue.missing([{ ...present[0]!, generation: 2 }])).toHaveLength(1);
    expect(await queue.missing([])).toEqual([]);
  });

  it('sends the jobs of any number of lanes and their announcement in one round trip', async () => {
    const proxy = await redisProxy(shared.url, 'posthorn:producer');
    const producer = createQueueProducer({
      redisUrl: proxy.url,
      prefix: shared.prefix,
      logger: recordingLogger(),
      commandTimeoutMs: 30_000,
    });
    const jobs = () => Array.from({ length: 100 }, (_, n) => deliveryJob({ customerId: `customer-${n}` }));
    try {
      await waitUntil(() => producer.status() === 'ready');
      await producer.enqueue(jobs());
      proxy.requests.hold();
      const enqueued = producer.enqueue(jobs());
      // All of it is on its way before anything was answered.
      await waitUntil(() => (proxy.requests.held().match(/evalsha/g) ?? []).length === 2);
      proxy.requests.open();
      await enqueued;
    } finally {
      await producer.close();
      proxy.close();
    }
  });

  it('announces again what is in the queue already', async () => {
    const job = deliveryJob();
    await queue.producer.enqueue([job]);
    await queue.redis.del(...(await queue.keys()).filter((key) => key.includes(':index:')));
    const handled: string[] = [];
    await queue.dispatch({
      handle: async ({ deliveryId }) => {
        handled.push(deliveryId);
        return { kind: 'done' };
      },
    });
    await queue.producer.announce([job]);
    await waitUntil(() => handled.length === 1);
  });

  it('measures how far its clock is from Redis’s', async () => {
    expect(Math.abs((await queue.producer.ping()).clockSkewMs)).toBeLessThan(1000);
  });
});

describe('the queue producer, when Redis is away', () => {
  it('refuses at once, and recovers by itself when Redis is back', async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'queue-producer-'));
    let own = await startPrivateRedis({ dataDir });
    const { url, port } = own;
    await own.stop();
    const logger = recordingLogger();
    const producer = createQueueProducer({ redisUrl: url, logger });
    try {
      await waitUntil(() => logger.lines.some(({ event }) => event === 'queue.producer_down'));
      const job = deliveryJob();
      expect(producer.status()).toBe('down');
      await expect(producer.enqueue([job])).rejects.toThrow();
      await expect(producer.jobStates([job])).rejects.toThrow();
      await expect(producer.ping()).rejects.toThrow();
      own = await startPrivateRedis({ dataDir, port });
      await waitUntil(() => producer.status() === 'ready');
      await producer.enqueue([job]);
      expect((await producer.jobStates([job])).missing).toEqual([]);
      await own.stop();
      await waitUntil(() => producer.status() === 'down');
      await expect(producer.enqueue([job])).rejects.toThrow();
    } finally {
      await producer.close();
      await own.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('gives up on a Redis that does not answer, and answers again when that does', async () => {
    const own = await startPrivateRedis();
    const producer = createQueueProducer({ redisUrl: own.url, logger: recordingLogger() });
    try {
      await waitUntil(() => producer.status() === 'ready');
      process.kill(own.pid, 'SIGSTOP');
      await expect(producer.enqueue([deliveryJob()])).rejects.toThrow();
      // From then on calls are refused without a wait.
      await waitUntil(() => producer.status() === 'down');
      await expect(producer.enqueue([deliveryJob()])).rejects.toThrow();
      process.kill(own.pid, 'SIGCONT');
      await waitUntil(() => producer.status() === 'ready');
      const job = deliveryJob();
      await producer.enqueue([job]);
      expect((await producer.jobStates([job])).missing).toEqual([]);
    } finally {
      process.kill(own.pid, 'SIGCONT');
      await producer.close();
      await own.stop();
    }
  });
});

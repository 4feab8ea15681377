import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import { Queue, RedisConnection, RedisQueueBackend, Worker, type Job, type WorkerOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { LaneBackend, drainDelaySeconds, laneBackendFactory } from './lane-backend.js';
import { CircuitBreaker } from '../flow-control/breaker.js';
import type { SlotSupplier } from '../flow-control/slot-supplier.js';
import { laneJobOptions } from './lane-job.js';

/**
 * What we replace in BullMQ, and what our scripts assume about it. When a new version breaks one of these, it says here
 * which; everything else of ours is built on these points alone.
 */
describe('BullMQ, as we rely on it', () => {
  const lane = 'acme/ep_1';
  let shared: TestRedis;
  let redis: Redis;
  let connection: RedisConnection;
  const workers: { close(): Promise<void> }[] = [];

  beforeEach(async () => {
    shared = testRedis();
    redis = new Redis(shared.url, { maxRetriesPerRequest: null });
    connection = new RedisConnection(redis, { shared: true, blocking: false });
    await connection.client;
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()));
    await shared.drop();
    redis.disconnect();
  });

  const key = (type: string) => `${shared.prefix}:${lane}:${type}`;
  const openQueue = () =>
    new Queue(lane, { connection: redis, prefix: shared.prefix, skipMetasUpdate: true }, (name, options) => {
      return new LaneBackend(connection, name, options);
    });
  const openWorker = (processor: (job: Job) => Promise<void>, options: Partial<WorkerOptions> = {}) => {
    const worker = new Worker<unknown, void, string, LaneBackend>(
      lane,
      processor,
      {
        connection: redis,
        prefix: shared.prefix,
        drainDelay: drainDelaySeconds,
        skipStalledCheck: true,
        skipLockRenewal: true,
        lockDuration: 1000,
        stalledInterval: 1,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        settings: { backoffStrategy: () => 50 },
        ...options,
      },
      laneBackendFactory(connection),
    );
    worker.on('error', () => undefined);
    worker.getBackend().supplier = unlimited();
    workers.push(worker);
    return worker;
  };
  const until = (condition: () => Promise<boolean> | boolean) => waitUntil(condition);

  it('is the version that was looked at, exactly', async () => {
    const manifest = JSON.parse(
      await readFile(path.resolve(import.meta.dirname, '../../package.json'), 'utf8'),
    ) as { dependencies: Record<string, string> };
    expect(manifest.dependencies).toMatchObject({ bullmq: '6.7.0', ioredis: '6.0.0' });
    const installed = createRequire(import.meta.url)('bullmq/package.json') as { version: string };
    expect(installed.version).toBe('6.7.0');
  });

  it('still has every method of its backend that we replace or call', () => {
    const replaced = [
      'waitForJob',
      'waitUntilReady',
      'disconnectBlocking',
      'reconnectBlocking',
      'moveToActive',
      'moveToCompleted',
      'moveToFailed',
      'moveToDelayed',
      'retryJob',
    ];
    const called = [
      'execCommand',
      'extendLocks',
      'moveStalledJobsToWait',
      'addJobToTransaction',
      'forQueue',
      'promote',
    ];
    const methods = RedisQueueBackend.prototype as unknown as Record<string, unknown>;
    for (const name of [...replaced, ...called])
      expect([name, typeof methods[name]]).toEqual([name, 'function']);
  });

  it('keeps a queue in the keys that our scripts read and remove', async () => {
    const queue = openQueue();
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-1' });
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-2', priority: 3 });
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-3', delay: 60_000 });
    expect(await redis.lrange(key('wait'), '0', '-1')).toEqual(['d-1']);
    expect(await redis.zrange(key('prioritized'), '0', '-1')).toEqual(['d-2']);
    expect(await redis.zrange(key('delayed'), '0', '-1')).toEqual(['d-3']);
    expect(await redis.exists(key('d-1'))).toBe(1);
    const kinds = (await redis.keys(`${shared.prefix}*`)).map((name) => name.slice(key('').length)).sort();
    expect(kinds).toEqual(
      ['d-1', 'd-2', 'd-3', 'delayed', 'events', 'id', 'marker', 'meta', 'pc', 'prioritized', 'wait'].sort(),
    );
    await queue.pause();
    expect(await redis.hexists(key('meta'), 'paused')).toBe(1);
  });

  it('writes a delayed job’s time as milliseconds times 4096 into its score, by the client’s clock', async () => {
    const before = Date.now();
    await openQueue().add('delivery', {}, { ...laneJobOptions, jobId: 'd-1', delay: 1234 });
    const [, score] = await redis.zrange(key('delayed'), '0', '-1', 'WITHSCORES');
    const dueAt = Math.floor(Number(score) / 4096);
    expect(dueAt).toBeGreaterThanOrEqual(before + 1234);
    expect(dueAt).toBeLessThanOrEqual(Date.now() + 1234);
  });

  it('locks an active job under <job>:lock for lockDuration, and lists it in active until it ended', async () => {
    await openQueue().add('delivery', {}, { ...laneJobOptions, jobId: 'd-1' });
    let end: () => void = () => undefined;
    openWorker(() => new Promise((resolve) => (end = resolve)));
    await until(async () => (await redis.llen(key('active'))) === 1);
    const ttl = await redis.pttl(key('d-1:lock'));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(1000);
    end();
    await until(async () => (await redis.exists(key('active'), key('d-1'), key('d-1:lock'))) === 0);
    expect(await redis.exists(key('completed'), key('failed'))).toBe(0);
  });

  it('limits the event stream to what meta says, and says 10,000 when it finds nothing', async () => {
    const queue = openQueue();
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-1' });
    expect(await redis.hget(key('meta'), 'opts.maxLenEvents')).toBe('10000');
    await redis.hset(key('meta'), 'opts.maxLenEvents', '10');
    for (let n = 0; n < 300; n++) await queue.add('delivery', {}, { ...laneJobOptions, jobId: `e-${n}` });
    expect(await redis.xlen(key('events'))).toBeLessThan(250);
  });

  it('promotes a delayed job, of whichever queue on the connection, and refuses another with the code −3', async () => {
    const queue = openQueue();
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-1', delay: 60_000 });
    const worker = openWorker(() => Promise.resolve(), { autorun: false });
    const other = worker.getBackend().forQueue(lane, shared.prefix);
    await other.promote('d-1');
    expect(await redis.lrange(key('wait'), '0', '-1')).toEqual(['d-1']);
    expect(await redis.zcard(key('delayed'))).toBe(0);
    await expect(other.promote('d-1')).rejects.toMatchObject({ code: -3 });
  });

  it('swallows an id that is there already', async () => {
    const queue = openQueue();
    await queue.add('delivery', { n: 1 }, { ...laneJobOptions, jobId: 'd-1' });
    await queue.add('delivery', { n: 2 }, { ...laneJobOptions, jobId: 'd-1' });
    expect(await redis.llen(key('wait'))).toBe(1);
    expect(await redis.hget(key('d-1'), 'data')).toBe('{"n":1}');
  });

  it('shares one connection among all lanes, and closes none that it did not open', async () => {
    const worker = openWorker(() => Promise.resolve());
    expect(await worker.getBackend().client).toMatchObject({ status: 'ready' });
    expect(worker.getBackend().blockingClient).toBeUndefined();
    await worker.close();
    expect(redis.status).toBe('ready');
  });

  it('fetches when the wait ends by an announcement, and does not when it ends by close', async () => {
    const queue = openQueue();
    let ran = 0;
    const worker = openWorker(() => {
      ran += 1;
      return Promise.resolve();
    });
    const backend = worker.getBackend();
    await until(() => backend.waitingUntilMs() !== null);
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-1' });
    expect(backend.waitingUntilMs()).toBe(Infinity);
    backend.announce();
    await until(() => ran === 1);
    await until(() => backend.waitingUntilMs() !== null);
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-2' });
    await worker.close();
    expect(await redis.lrange(key('wait'), '0', '-1')).toEqual(['d-2']);
    expect(ran).toBe(1);
  });

  it('remembers an announcement that comes while it fetches', async () => {
    const queue = openQueue();
    let ran = 0;
    const worker = openWorker(() => {
      ran += 1;
      return Promise.resolve();
    });
    const backend = worker.getBackend();
    for (let n = 1; n <= 50; n++) {
      await until(() => backend.waitingUntilMs() !== null);
      // The first announcement starts a fetch that finds nothing; the second comes while it is under way.
      backend.announce();
      await queue.add('delivery', {}, { ...laneJobOptions, jobId: `d-${n}` });
      backend.announce();
      await until(() => ran === n);
    }
  });

  it('waits exactly until the next delayed job is due, whether it was delayed before or by a retry', async () => {
    const queue = openQueue();
    const startedAt: number[] = [];
    const worker = openWorker(() => {
      startedAt.push(Date.now());
      return Promise.resolve();
    });
    const backend = worker.getBackend();
    await until(() => backend.waitingUntilMs() === Infinity);
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-1', delay: 200 });
    const dueAt = Date.now() + 200;
    backend.noteDueAt(dueAt);
    expect(backend.waitingUntilMs()).toBe(dueAt);
    await until(() => startedAt.length === 1);
    expect(startedAt[0]).toBeGreaterThanOrEqual(dueAt - 5);
  });

  it('takes an error with a custom backoff for one native retry of the same job, and keeps no stack trace', async () => {
    let ran = 0;
    const worker = openWorker(() => {
      ran += 1;
      return ran === 1 ? Promise.reject(new Error('retry')) : Promise.resolve();
    });
    const queue = openQueue();
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'd-1' });
    worker.getBackend().announce();
    await until(async () => (await redis.zcard(key('delayed'))) === 1);
    expect(await redis.hmget(key('d-1'), 'stacktrace', 'atm')).toEqual(['[]', '1']);
    await until(() => ran === 2);
    await until(async () => (await redis.exists(key('d-1'))) === 0);
  });

  it('wakes up for the earliest of the delayed jobs, also when one was put off much longer just now', async () => {
    const queue = openQueue();
    const ran: string[] = [];
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'earlier', delay: 300 });
    await queue.add('delivery', {}, { ...laneJobOptions, jobId: 'later' });
    openWorker(
      (job) => {
        ran.push(job.id ?? '');
        return job.id === 'later' ? Promise.reject(new Error('retry')) : Promise.resolve();
      },
      { concurrency: 1, settings: { backoffStrategy: () => 60_000 } },
    );
    await until(() => ran.length === 2);
    expect(ran).toEqual(['later', 'earlier']);
  });

  it('moves an active job without a lock back to wait at the second stalled check, however often', async () => {
    const worker = openWorker(() => Promise.resolve(), { autorun: false });
    const backend = worker.getBackend();
    await openQueue().add('delivery', {}, { ...laneJobOptions, jobId: 'd-1' });
    for (let n = 1; n <= 3; n++) {
      await backend.moveToActive(`token-${n}`);
      expect(await redis.lrange(key('active'), '0', '-1')).toEqual(['d-1']);
      await redis.del(key('d-1:lock'));
      expect(await backend.moveStalledJobsToWait()).toEqual([]);
      await until(async () => (await redis.exists(key('stalled-check'))) === 0);
      expect(await backend.moveStalledJobsToWait()).toEqual(['d-1']);
      await until(async () => (await redis.exists(key('stalled-check'))) === 0);
      expect(await redis.lrange(key('wait'), '0', '-1')).toEqual(['d-1']);
    }
    expect(await redis.hget(key('d-1'), 'defa')).toBeNull();
  });

  it('extends locks in one call, and names those that it could not', async () => {
    const worker = openWorker(() => Promise.resolve(), { autorun: false });
    const backend = worker.getBackend();
    const queue = openQueue();
    for (const jobId of ['d-1', 'd-2', 'd-3']) await queue.add('delivery', {}, { ...laneJobOptions, jobId });
    for (const token of ['t-1', 't-2', 't-3']) await backend.moveToActive(token);
    await redis.del(key('d-2:lock'));
    await redis.set(key('d-3:lock'), 'somebody else');
    expect(await backend.extendLocks(['d-1', 'd-2', 'd-3'], ['t-1', 't-2', 't-3'], 60_000)).toEqual([
      'd-2',
      'd-3',
    ]);
    expect(await redis.pttl(key('d-1:lock'))).toBeGreaterThan(1000);
  });

  it('reserves a slot before each fetch, and sends nothing to Redis while none is available', async () => {
    const queue = openQueue();
    const availableAtMs = { value: Infinity };
    let permits = 0;
    let given = 0;
    const supplier: SlotSupplier = {
      ...unlimited(),
      reserve: (nowMs) => {
        if (nowMs < availableAtMs.value) return null;
        permits += 1;
        return permit;
      },
      giveBack: () => void (given += 1),
      availableAtMs: () => availableAtMs.value,
    };
    const ran: string[] = [];
    const worker = openWorker(
      (job) => {
        ran.push(job.id ?? '');
        // None while it runs: Redis learns of its end, and no next one is fetched.
        availableAtMs.value = Infinity;
        return Promise.resolve();
      },
      { concurrency: 5 },
    );
    const backend = worker.getBackend();
    backend.supplier = supplier;
    for (const jobId of ['d-1', 'd-2', 'd-3']) await queue.add('delivery', {}, { ...laneJobOptions, jobId });
    await until(() => backend.waitingUntilMs() === 0);
    const sent = countCommands(redis);
    for (let n = 0; n < 20; n++) {
      backend.announce();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([sent(), permits]).toEqual([0, 0]);

    for (let n = 1; n <= 3; n++) {
      availableAtMs.value = Date.now() + 20;
      supplier.onAvailable();
      await until(async () => (await redis.exists(key(`d-${n}`))) === 0);
      await until(() => backend.waitingUntilMs() === 0);
      expect(ran).toHaveLength(n);
    }
    expect(permits).toBe(3);
    availableAtMs.value = 0;
    supplier.onAvailable();
    await until(() => given === 1);
    await until(() => backend.waitingUntilMs() === Infinity);
    expect(permits).toBe(4);
  });
});

const permit = {
  breaker: new CircuitBreaker(() => 0.5, 1),
  started: 0,
  endpointNextMs: null,
  customerNextMs: null,
  hasSlot: false,
};

/** Slots for all. */
function unlimited(): SlotSupplier {
  return {
    reserve: () => permit,
    availableAtMs: () => 0,
    onAvailable: () => undefined,
    giveBack: () => undefined,
    waitForSlot: () => undefined,
    waitForRateLimit: () => Promise.resolve(),
    release: () => undefined,
    close: () => undefined,
  };
}

/** How many commands this connection has sent since. */
function countCommands(redis: Redis): () => number {
  let count = 0;
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (...args) => {
    count += 1;
    return send(...args);
  };
  return () => count;
}

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import { Redis } from 'ioredis';
import { dueSoonMs } from './ready-index/customer-lease.js';
import { laneName } from './lanes/lane-name.js';
import { ownerChannel } from './ready-index/ready-index.js';
import {
  deliveryJob,
  gate,
  newId,
  queueUnderTest,
  type QueueUnderTest,
} from './test-support/queue-under-test.js';
import { redisProxy } from './test-support/redis-proxy.js';

const done = { kind: 'done' } as const;

/** What is announced exactly while an answer is on its way. Nothing else would find these jobs before the test ends. */
describe('the dispatcher, between a question and its answer', () => {
  let shared: TestRedis;
  let queue: QueueUnderTest;
  let listener: Redis;
  let proxy: Awaited<ReturnType<typeof redisProxy>>;
  let workerId: string;
  let announced: string[];

  beforeEach(async () => {
    shared = testRedis();
    queue = await queueUnderTest(shared);
    workerId = `held-${newId()}`;
    proxy = await redisProxy(shared.url, `posthorn:dispatcher:${workerId}`);
    announced = [];
    listener = new Redis(shared.url);
    listener.on('message', (_channel: string, message: string) => announced.push(message));
    await listener.subscribe(ownerChannel(shared.prefix, workerId));
  });
  afterEach(async () => {
    proxy.requests.open();
    proxy.replies.open();
    await queue.close();
    proxy.close();
    listener.disconnect();
    await shared.drop();
  });

  const owned = () => queue.redis.hget(`${shared.prefix}:index:owner`, 'acme');
  const releaseHeld = () =>
    proxy.requests.held().includes(`${workerId}\r\n$7\r\nif-idle\r\n$4\r\n${dueSoonMs}\r\n`);
  /** The announcement has gone out to the owner, and the owner has had time to hear it as we have. */
  const heard = async (times: number) => {
    await waitUntil(() => announced.length >= times);
    await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it('does not lose what is announced while a claim is on its way to it', async () => {
    const started: string[] = [];
    await queue.dispatch({
      redisUrl: proxy.url,
      workerId,
      leaseMs: 60_000,
      idleReleaseMs: 60_000,
      handle: async ({ deliveryId }) => {
        started.push(deliveryId);
        return done;
      },
    });
    const [inClaim, afterClaim] = [deliveryJob(), deliveryJob()];
    // One claim is sent at a time: this one will be answered after `inClaim` was added.
    proxy.requests.hold();
    await waitUntil(() => proxy.requests.held().includes(workerId));
    await queue.producer.enqueue([inClaim]);
    proxy.replies.hold();
    proxy.requests.open();
    await waitUntil(owned);
    await queue.producer.enqueue([afterClaim]);
    await heard(1);
    proxy.replies.open();
    await waitUntil(() => started.length === 2);
    expect(started.sort()).toEqual([inClaim.deliveryId, afterClaim.deliveryId].sort());
  });

  it('does not lose what is announced while a release is on its way back, and finds that the customer stays', async () => {
    const hold = gate();
    const started: string[] = [];
    await queue.dispatch({
      redisUrl: proxy.url,
      workerId,
      leaseMs: 60_000,
      idleReleaseMs: 300,
      handle: async ({ deliveryId }) => {
        started.push(deliveryId);
        // Keeps the customer leased: no later release finds what this one lost.
        if (deliveryId === before.deliveryId) await hold.opened;
        return done;
      },
    });
    const before = deliveryJob();
    const after = deliveryJob();
    const first = deliveryJob();
    await queue.producer.enqueue([first]);
    await waitUntil(async () => (await queue.missing([first])).length === 1);
    // The release has been sent, but Redis has not seen it: it will find `before`, and not `after`.
    proxy.requests.hold();
    await waitUntil(releaseHeld);
    await queue.producer.enqueue([before]);
    await heard(1);
    proxy.replies.hold();
    proxy.requests.open();
    await waitUntil(() => proxy.replies.held().includes(laneName('acme', before.endpointId)));
    await queue.producer.enqueue([after]);
    await heard(2);
    proxy.replies.open();
    await waitUntil(() => started.length === 3);
    hold.open();
  });

  it('keeps a customer that it released and claimed again before it learned of either', async () => {
    const started: string[] = [];
    await queue.dispatch({
      redisUrl: proxy.url,
      workerId,
      leaseMs: 60_000,
      idleReleaseMs: 300,
      handle: async ({ deliveryId }) => {
        started.push(deliveryId);
        return done;
      },
    });
    const [first, second] = [deliveryJob(), deliveryJob()];
    await queue.producer.enqueue([first]);
    await waitUntil(async () => (await queue.missing([first])).length === 1);
    // Longer than a claim takes, shorter than the lane stays open: no claim may be under way when its answer is held.
    await new Promise((resolve) => setTimeout(resolve, 50));
    proxy.requests.hold();
    await waitUntil(releaseHeld);
    proxy.replies.hold();
    proxy.requests.open();
    await waitUntil(async () => (await owned()) === null);
    await queue.producer.enqueue([second]);
    await waitUntil(owned);
    proxy.requests.hold();
    proxy.replies.open();
    // It is opened by what the claim has read, not only by what another release would find.
    await waitUntil(() => proxy.requests.held().includes(`${laneName('acme', second.endpointId)}:active`));
    proxy.requests.open();
    await waitUntil(() => started.length === 2);
  });

  it('does not release a customer for which a lane opened while those before it were released', async () => {
    // No worker can open these lanes, so their customers are idle and stay leased: each round takes the 200 that fit into
    // one script, and then for acme.
    const lane = 'of-nobody';
    const keys = queue.redis.pipeline();
    const customers = [...Array.from({ length: 200 }, (_, n) => `stuck-${n}`), 'acme'];
    customers.forEach((customerId, n) => {
      keys.sadd(`${shared.prefix}:index:lanes:${customerId}`, `${customerId}/${lane}`);
      keys.rpush(`${shared.prefix}:${customerId}/${lane}:wait`, 'job');
      keys.zadd(`${shared.prefix}:index:ready`, n + 1, customerId);
    });
    await keys.exec();
    const hold = gate();
    const started: string[] = [];
    const dispatcher = await queue.dispatch({
      redisUrl: proxy.url,
      workerId,
      leaseMs: 60_000,
      // A lane with an active job is due when its lock ends: that does not keep the customer.
      jobLockMs: 60_000,
      idleReleaseMs: 300,
      handle: async ({ deliveryId }) => {
        started.push(deliveryId);
        await hold.opened;
        return done;
      },
    });
    await waitUntil(() => dispatcher.stats().customers === customers.length);
    proxy.requests.hold();
    await waitUntil(releaseHeld);
    while (!proxy.requests.held().includes('stuck-0\r\n')) {
      proxy.requests.open();
      proxy.requests.hold();
      await waitUntil(releaseHeld);
    }
    await queue.redis.srem(`${shared.prefix}:index:lanes:acme`, `acme/${lane}`);
    const [job, later] = [deliveryJob(), deliveryJob()];
    await queue.producer.enqueue([job]);
    // Its lane has sent for the job, and Redis sees that before anything else of this round.
    await waitUntil(() => proxy.requests.held().includes(`${laneName('acme', job.endpointId)}:active`));
    proxy.requests.open();
    await waitUntil(() => started.length === 1);
    const rounds = () =>
      queue.logger.lines.filter(({ fields }) => fields['lane'] === `stuck-0/${lane}`).length;
    const before = rounds();
    await waitUntil(() => rounds() >= before + 2);
    expect(dispatcher.stats()).toMatchObject({ customers: customers.length, lanes: 1, released: 0 });
    await queue.producer.enqueue([later]);
    await waitUntil(() => started.length === 2);
    expect(dispatcher.stats().claimed).toBe(customers.length);
    hold.open();
  });

  it('gives back at once what a claim brings after the stop, and starts none of it', async () => {
    const started: string[] = [];
    const handle = async ({ deliveryId }: { deliveryId: string }) => {
      started.push(deliveryId);
      return done;
    };
    const stopping = await queue.dispatch({ redisUrl: proxy.url, workerId, leaseMs: 60_000, handle });
    const job = deliveryJob();
    proxy.requests.hold();
    await waitUntil(() => proxy.requests.held().includes(workerId));
    await queue.producer.enqueue([job]);
    proxy.replies.hold();
    proxy.requests.open();
    await waitUntil(owned);
    const stopped = stopping.stop({ deadlineMs: 60_000 });
    proxy.replies.open();
    await stopped;
    expect(await owned()).toBeNull();
    expect(started).toEqual([]);
    // Nobody waits for the end of a lease, or of a lock.
    await queue.dispatch({ leaseMs: 60_000, jobLockMs: 60_000, handle });
    await waitUntil(() => started.length === 1);
  });
});

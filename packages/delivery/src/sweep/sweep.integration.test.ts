import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryRef } from '@posthorn/domain';
import { createQueueProducer, type DeliveryJob, type QueueProducer } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';

import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createSweep, type SweepQueue } from './sweep.js';

const GRACE_MS = 1_000;
const MINUTE_MS = 60_000;
const SLOW_PASS_MS = 7 * MINUTE_MS;

let pipeline: OpenPipeline;
let endpointId: string;
let redis: TestRedis;
let queue: QueueProducer;
const logger = createLogger({ level: 'error', role: 'test' });
const running = new AbortController().signal;

beforeAll(async () => {
  pipeline = await openPipeline();
  await pipeline.addCustomer('acme');
  endpointId = (await pipeline.addEndpoint('acme', { url: 'http://127.0.0.1:9/' })).id;
});
afterAll(() => pipeline.close());
beforeEach(async () => {
  await query('DELETE FROM delivery');
  await query('DELETE FROM sweep');
  redis = testRedis();
  queue = createQueueProducer({
    redisUrl: redis.url,
    prefix: redis.prefix,
    logger,
    commandTimeoutMs: 30_000,
  });
  await waitUntil(() => queue.status() === 'ready');
});
afterEach(async () => {
  await queue.close();
  await redis.drop();
});

const query = (text: string, values: unknown[] = []) => pipeline.database.pool.query(text, values);

/** A sweep as a process of its own would have it. */
const openSweep = (wrapped: Partial<SweepQueue> = {}) =>
  createSweep({
    pool: pipeline.database.pool,
    queue: {
      enqueue: (jobs) => queue.enqueue(jobs),
      announce: (jobs) => queue.announce(jobs),
      jobStates: (jobs) => queue.jobStates(jobs),
      makeDueNow: (jobs) => queue.makeDueNow(jobs),
      renewLossMarker: (known) => queue.renewLossMarker(known),
      ...wrapped,
    },
    logger,
    shard: redis.prefix,
    graceMs: GRACE_MS,
    intervalMs: 5_000,
  });
/** With the delay of each job that it enqueued. */
async function sweepAndSeeDelays() {
  const delays: number[] = [];
  const enqueue = (jobs: readonly DeliveryJob[]) => {
    delays.push(...jobs.map(({ delayMs = 0 }) => delayMs));
    return queue.enqueue(jobs);
  };
  return { result: await openSweep({ enqueue }).run(running), delays };
}
const sweepOnce = (wrapped?: Partial<SweepQueue>) => openSweep(wrapped).run(running);

/** Accepted deliveries that were due so long ago, of which the queue has not heard. */
async function due(count: number, sinceMs = 5_000): Promise<DeliveryRef[]> {
  const eventIds = await Promise.all(
    Array.from({ length: count }, () => pipeline.accept({ customerId: 'acme' })),
  );
  await query(
    `UPDATE delivery SET next_attempt_at = now() - $1 * interval '1 ms' WHERE event_id = ANY ($2::uuid[])`,
    [sinceMs, eventIds],
  );
  return eventIds.map((eventId) => pipeline.jobOf(eventId, endpointId));
}

const queued = (jobs: DeliveryRef[]): DeliveryJob[] => jobs.map((job) => ({ ...job, delayMs: 0 }));
const missing = async (jobs: DeliveryRef[]) => (await queue.jobStates(queued(jobs))).missing;

/** As if that long had passed: everything that was written down lies so much further back. */
async function letPass(ms: number): Promise<void> {
  await query(`UPDATE delivery SET next_attempt_at = next_attempt_at - $1 * interval '1 ms'`, [ms]);
  await query(
    `UPDATE sweep SET first_due = first_due - $1 * interval '1 ms', second_due = second_due - $1 * interval '1 ms',
            ahead_due = ahead_due - $1 * interval '1 ms', slow_due = slow_due - $1 * interval '1 ms', slow_began_at = slow_began_at - $1 * interval '1 ms'`,
    [ms],
  );
}

/** Redis forgets everything of this test, and nobody is told. */
const forget = () => redis.drop();

/** A first pass over nothing, ten seconds ago: what became due since is not new to the sweep. */
async function settled(): Promise<void> {
  expect(await sweepOnce()).toEqual({ lost: true, read: 0, ahead: 0, enqueued: 0, scripts: 1 });
  expect(await sweepOnce()).toEqual({ lost: false, read: 0, ahead: 0, enqueued: 0, scripts: 1 });
  await letPass(10_000);
}

describe('the sweep', () => {
  it('enqueues what is past due and unknown to the queue, and leaves what is within the grace or later', async () => {
    await settled();
    const [past] = await due(1);
    const notYet = [...(await due(1, 200)), ...(await due(1, -3_600_000))];
    expect(await sweepOnce()).toMatchObject({ read: 1, enqueued: 1 });
    expect(await missing([past!])).toEqual([]);
    expect(await missing(notYet)).toHaveLength(2);
  });

  it('announces what the queue knows already, as the ready index may have forgotten it', async () => {
    await settled();
    const jobs = await due(1);
    await queue.enqueue(queued(jobs));
    const announced: string[] = [];
    const announce = (some: readonly DeliveryJob[]) => {
      announced.push(...some.map(({ deliveryId }) => deliveryId));
      return queue.announce(some);
    };
    expect(await sweepOnce({ announce })).toMatchObject({ read: 1, enqueued: 0, scripts: 3 });
    expect(announced).toEqual([jobs[0]!.deliveryId]);
  });

  it('makes due in the queue what is due in Postgres and was delayed there until later', async () => {
    const jobs = queued(await due(3));
    await queue.enqueue(jobs.map((job) => ({ ...job, delayMs: 3_600_000 })));
    expect(await queue.jobStates(jobs)).toMatchObject({ missing: [], delayed: { length: 3 } });
    await sweepOnce();
    expect(await queue.jobStates(jobs)).toEqual({ missing: [], delayed: [] });
    expect(await queue.waiting({ customerId: 'acme', endpointId })).toBe(3);
  });

  it('reads what waits honestly once soon and once a minute later, and nothing in the passes between', async () => {
    await settled();
    await queue.enqueue(queued(await due(600)));
    expect(await sweepOnce()).toEqual({ lost: false, read: 600, ahead: 0, enqueued: 0, scripts: 7 });
    for (let pass = 0; pass < 3; pass += 1) {
      expect(await sweepOnce()).toEqual({ lost: false, read: 0, ahead: 0, enqueued: 0, scripts: 1 });
    }
    await letPass(MINUTE_MS);
    expect(await sweepOnce()).toEqual({ lost: false, read: 600, ahead: 0, enqueued: 0, scripts: 7 });
    expect(await sweepOnce()).toEqual({ lost: false, read: 0, ahead: 0, enqueued: 0, scripts: 1 });
  });

  it('pauses three times as long as a page took that found nothing wrong', async () => {
    await settled();
    await queue.enqueue(queued(await due(600)));
    const pages: { beganMs: number; endedMs: number }[] = [];
    const result = await openSweep({
      jobStates: async (jobs) => {
        const beganMs = performance.now();
        const looked = await queue.jobStates(jobs);
        await new Promise((resolve) => setTimeout(resolve, 50));
        pages.push({ beganMs, endedMs: performance.now() });
        return looked;
      },
    }).run(new AbortController().signal);
    expect(result).toMatchObject({ lost: false, read: 600 });
    expect(pages).toHaveLength(3);
    for (let page = 1; page < pages.length; page += 1) {
      expect(pages[page]!.beganMs - pages[page - 1]!.endedMs).toBeGreaterThan(140);
    }
  });

  it('finds what was committed behind the watermark, within a minute', async () => {
    await settled();
    const jobs = await due(1, 30_000);
    expect(await sweepOnce()).toMatchObject({ read: 0 });
    await letPass(MINUTE_MS);
    expect(await sweepOnce()).toMatchObject({ enqueued: 1 });
    expect(await missing(jobs)).toEqual([]);
  });

  it('finds a retry that was delayed in the queue and lost there, when it comes due', async () => {
    await settled();
    const jobs = await due(1, -MINUTE_MS);
    await queue.enqueue(queued(jobs));
    await forget();
    expect(await sweepOnce()).toMatchObject({ lost: true, read: 0 });
    await letPass(MINUTE_MS + 2 * GRACE_MS);
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 1, enqueued: 1 });
  });

  it('walks everything again when Redis has lost it, many pages, also where many are due at the same moment', async () => {
    await settled();
    const jobs = await due(600);
    await query("UPDATE delivery SET next_attempt_at = date_trunc('minute', now()) - interval '10 minutes'");
    await queue.enqueue(queued(jobs));
    await letPass(MINUTE_MS);
    await sweepOnce();
    await forget();
    const result = await sweepOnce();
    expect(result).toMatchObject({ lost: true, read: 600, enqueued: 600 });
    expect(await missing(jobs)).toEqual([]);
  });

  it('finds slowly, in bounded steps, what the queue lost of itself', async () => {
    await settled();
    const jobs = await due(600);
    await queue.enqueue(queued(jobs.slice(1)));
    await letPass(SLOW_PASS_MS - 30_000);
    await sweepOnce();
    await forget();
    await queue.enqueue(queued(jobs.slice(1)));
    const { marker } = await queue.renewLossMarker(null);
    await query('UPDATE sweep SET marker = $1', [marker]);
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 0 });
    await letPass(30_000);
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 250 });
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 250 });
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 100 });
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 0 });
    expect(await missing(jobs)).toEqual([]);
  });

  it('goes on after the last page that was done, when it was stopped or a service did not answer', async () => {
    await settled();
    const jobs = await due(600);
    const stopping = new AbortController();
    const stopAfterOne = openSweep({
      announce: (some) => {
        stopping.abort();
        return queue.announce(some);
      },
    });
    expect(await stopAfterOne.run(stopping.signal)).toMatchObject({ read: 250, enqueued: 250 });
    let pages = 0;
    const enqueue = (some: readonly DeliveryJob[]) =>
      (pages += 1) === 2 ? Promise.reject(new Error('Redis is away')) : queue.enqueue(some);
    await expect(sweepOnce({ enqueue })).rejects.toThrow('Redis is away');
    expect(await sweepOnce()).toMatchObject({ lost: false, read: 100, enqueued: 100 });
    expect(await missing(jobs)).toEqual([]);
  });

  it('walks everything after a loss although the pass that saw it failed', async () => {
    await settled();
    const jobs = await due(10);
    await queue.enqueue(queued(jobs));
    await sweepOnce();
    await forget();
    const isAway = () => Promise.reject(new Error('Redis is away'));
    await expect(sweepOnce({ jobStates: isAway })).rejects.toThrow('Redis is away');
    expect(await sweepOnce()).toMatchObject({ lost: true, enqueued: 10 });
  });

  it('enqueues shortly before it is due what waits in Postgres alone, with the time that is left, each row read once', async () => {
    await settled();
    await letPass(60_000);
    const soon = await due(3, -20_000);
    const later = await due(3, -MINUTE_MS);
    const { result, delays } = await sweepAndSeeDelays();
    expect(result).toMatchObject({ read: 3, ahead: 3, enqueued: 0 });
    expect(await sweepOnce()).toMatchObject({ read: 0, ahead: 0, scripts: 1 });
    expect(await missing(soon)).toEqual([]);
    expect(await missing(later)).toHaveLength(3);
    expect(delays).toHaveLength(3);
    for (const delayMs of delays) {
      expect(delayMs).toBeGreaterThan(0);
      expect(delayMs).toBeLessThanOrEqual(20_000);
    }
    await letPass(45_000);
    expect(await sweepOnce()).toMatchObject({ ahead: 3, enqueued: 0 });
    expect(await missing(later)).toEqual([]);
    // Past due they are in the queue: the walks find nothing that is missing.
    await letPass(MINUTE_MS);
    expect(await sweepOnce()).toMatchObject({ lost: false, enqueued: 0 });
  });

  it('brings back after a loss only what is due soon, and what was past due', async () => {
    await settled();
    await due(10, -3_600_000);
    const soon = await due(2, -10_000);
    const past = await due(2, 5_000);
    await forget();
    expect(await sweepOnce()).toMatchObject({ lost: true, read: 4, ahead: 2, enqueued: 2 });
    expect(await missing([...soon, ...past])).toEqual([]);
  });

  it('is one process’s at a time; another one goes on when the connection of the first is gone', async () => {
    await settled();
    await due(10);
    let release: () => void = () => undefined;
    let asked = false;
    const held = new Promise<void>((resolve) => (release = resolve));
    const first = openSweep({
      jobStates: async (jobs) => {
        asked = true;
        await held;
        return queue.jobStates(jobs);
      },
    }).run(running);
    first.catch(() => undefined);
    await waitUntil(() => asked);
    expect(await sweepOnce()).toBeUndefined();
    await query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    await waitUntil(async () => (await sweepOnce())?.enqueued === 10);
    release();
    await expect(first).rejects.toThrow();
  });

  it('looks at its shard again when the clock was set back', async () => {
    await settled();
    await query("UPDATE sweep SET first_due = now() + interval '1 hour'");
    await sweepOnce();
    await due(1, 0);
    await letPass(2 * GRACE_MS);
    expect(await sweepOnce()).toMatchObject({ read: 1, enqueued: 1 });
  });
});

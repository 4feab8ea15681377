import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeId, type DeliveryRef } from '@posthorn/domain';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import {
  deliveryJob,
  gate,
  newId,
  queueUnderTest,
  type QueueUnderTest,
} from './test-support/queue-under-test.js';

const done = { kind: 'done' } as const;

describe('the dispatcher', () => {
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

  it('hands every job to its handler once, with the ids it was added with', async () => {
    const jobs = Array.from({ length: 300 }, (_, i) =>
      deliveryJob({ customerId: `customer-${i % 20}`, generation: 1 + (i % 3) }),
    );
    const handled: DeliveryRef[] = [];
    await queue.dispatch({
      handle: async (job) => {
        handled.push(job);
        return done;
      },
    });
    await queue.producer.enqueue(jobs);
    await waitUntil(() => handled.length === jobs.length);
    const byId = (a: DeliveryRef, b: DeliveryRef) => a.deliveryId.localeCompare(b.deliveryId);
    expect(handled.sort(byId)).toEqual(jobs.map(({ delayMs: _, ...ids }) => ids).sort(byId));
  });

  it('delivers what was added before it started', async () => {
    const jobs = [deliveryJob(), deliveryJob({ customerId: 'other' })];
    await queue.producer.enqueue(jobs);
    const handled: string[] = [];
    await queue.dispatch({
      handle: async (job) => {
        handled.push(job.deliveryId);
        return done;
      },
    });
    await waitUntil(() => handled.length === 2);
  });

  it('runs a job added twice only once while it is there, also when it is running', async () => {
    const job = deliveryJob();
    const hold = gate();
    let runs = 0;
    await queue.producer.enqueue([job, job]);
    await queue.dispatch({
      handle: async () => {
        runs += 1;
        await hold.opened;
        return done;
      },
    });
    await waitUntil(() => runs === 1);
    await queue.producer.enqueue([job]);
    hold.open();
    const last = deliveryJob({ endpointId: job.endpointId });
    await queue.producer.enqueue([last]);
    await waitUntil(() => runs === 2);
    expect(await queue.missing([job, last])).toContain(job);
    await waitUntil(async () => (await queue.missing([job, last])).length === 2);
    expect(runs).toBe(2);
  });

  it('retries the same job natively after the delay that the handler returned, however often', async () => {
    const job = deliveryJob();
    const startedAt: number[] = [];
    const dispatcher = await queue.dispatch({
      handle: async () => {
        startedAt.push(Date.now());
        return startedAt.length < 4 ? { kind: 'retry', delayMs: 300 } : done;
      },
    });
    await queue.producer.enqueue([job]);
    await waitUntil(() => startedAt.length === 1);
    const delayed = await waitUntil(async () => {
      const keys = (await queue.keys()).filter((key) => key.endsWith(':delayed'));
      return keys[0] && (await queue.redis.zrange(keys[0], '0', '-1'));
    });
    expect(delayed).toEqual([`${job.deliveryId}-${job.generation}`]);
    await waitUntil(() => startedAt.length === 4);
    const waits = startedAt.slice(1).map((at, i) => at - startedAt[i]!);
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(299);
    await waitUntil(async () => (await queue.missing([job])).length === 1);
    expect(dispatcher.stats().stalled).toBe(0);
  });

  it('wakes up for a job that was added with a delay, in a lane that is open and in one that is not', async () => {
    const endpointId = newId();
    const startedAt = new Map<string, number>();
    const hold = gate();
    await queue.dispatch({
      handle: async ({ deliveryId }) => {
        startedAt.set(deliveryId, Date.now());
        if (deliveryId === first.deliveryId) await hold.opened;
        return done;
      },
    });
    const first = deliveryJob({ endpointId });
    const sameLane = deliveryJob({ endpointId, delayMs: 500 });
    const otherLane = deliveryJob({ delayMs: 500 });
    const otherCustomer = deliveryJob({ customerId: 'other', delayMs: 500 });
    await queue.producer.enqueue([first]);
    await waitUntil(() => startedAt.size === 1);
    const addedAt = Date.now();
    await queue.producer.enqueue([sameLane, otherLane, otherCustomer]);
    await waitUntil(() => startedAt.size === 4);
    hold.open();
    for (const { deliveryId } of [sameLane, otherLane, otherCustomer]) {
      expect(startedAt.get(deliveryId)! - addedAt).toBeGreaterThanOrEqual(499);
    }
  });

  it('wakes a parked lane whose job is due much later than its customer’s other work', async () => {
    const late = deliveryJob({ delayMs: 6_000 });
    const started = new Set<string>();
    await queue.dispatch({
      handle: async ({ deliveryId }) => {
        started.add(deliveryId);
        return done;
      },
    });
    await queue.producer.enqueue([late]);
    // Another lane keeps the customer leased meanwhile.
    const busyEndpoint = newId();
    await waitUntil(
      async () => {
        await queue.producer.enqueue([deliveryJob({ endpointId: busyEndpoint })]);
        return started.has(late.deliveryId);
      },
      { timeoutMs: 20_000, intervalMs: 20 },
    );
  });

  it('never loses a job whose handler throws: it runs again after 1 to 5 s, and the error is logged once', async () => {
    const job = deliveryJob();
    const startedAt: number[] = [];
    await queue.dispatch({
      handle: async () => {
        startedAt.push(Date.now());
        if (startedAt.length === 1) throw new Error('Postgres is down');
        return done;
      },
    });
    await queue.producer.enqueue([job]);
    await waitUntil(() => startedAt.length === 2);
    expect(startedAt[1]! - startedAt[0]!).toBeGreaterThanOrEqual(999);
    const warnings = queue.logger.lines.filter(({ event }) => event === 'job.handler_failed');
    expect(warnings).toMatchObject([
      { level: 'warn', fields: { delivery_id: encodeId('dlv', job.deliveryId) } },
    ]);
    await waitUntil(async () => (await queue.missing([job])).length === 1);
  });

  it('leaves no key at all behind 500 idle lanes', async () => {
    const jobs = Array.from({ length: 500 }, (_, i) => deliveryJob({ customerId: `customer-${i % 100}` }));
    let handled = 0;
    const dispatcher = await queue.dispatch({
      handle: async () => {
        handled += 1;
        return handled % 10 === 0 ? { kind: 'retry', delayMs: 100 } : done;
      },
    });
    await queue.producer.enqueue(jobs);
    await waitUntil(async () => handled >= 500 && (await queue.keys()).length === 0);
    await waitUntil(() => dispatcher.stats().customers === 0);
    expect(dispatcher.stats()).toMatchObject({ lanes: 0, inFlight: 0 });
    expect(await queue.keys()).toEqual([]);
  });

  it('keeps the settings that someone wrote into an idle lane’s meta', async () => {
    const job = deliveryJob();
    await queue.producer.enqueue([job]);
    const meta = (await queue.keys()).find((key) => key.endsWith(':meta'))!;
    await queue.redis.hset(meta, 'max', '1000', 'duration', '1000');
    await queue.dispatch({ handle: async () => done });
    await waitUntil(async () => (await queue.keys()).length === 1);
    expect(await queue.keys()).toEqual([meta]);
  });

  it('loses no announcement that arrives while its customer is being released', async () => {
    const endpoints = Array.from({ length: 8 }, () => newId());
    const startedAt = new Map<string, number>();
    const dispatcher = await queue.dispatch({
      idleReleaseMs: 4,
      handle: async ({ deliveryId }) => {
        startedAt.set(deliveryId, Date.now());
        return done;
      },
    });
    let sent = 0;
    const until = Date.now() + 6_000;
    const enough = () => Date.now() >= until && dispatcher.stats().released > 50;
    await Promise.all(
      endpoints.map(async (endpointId, i) => {
        for (let n = 0; !enough(); n++) {
          const job = deliveryJob({
            customerId: `customer-${i % 4}`,
            endpointId,
            delayMs: n % 7 === 3 ? 10 : 0,
          });
          sent += 1;
          await queue.producer.enqueue([job]);
          // Nothing else announces this lane: a lost wake-up would show as a job that never starts.
          await waitUntil(() => startedAt.has(job.deliveryId), { timeoutMs: 3_000, intervalMs: 1 });
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        }
      }),
    );
    expect(startedAt.size).toBe(sent);
  }, 120_000);

  it('keeps a slot for an endpoint whose sibling hangs, though that may have all its customer may', async () => {
    const [hanging, quick] = [newId(), newId()];
    const hangs = gate();
    let hangingNow = 0;
    let quickOnes = 0;
    await queue.producer.enqueue([
      deliveryJob({ endpointId: quick }),
      ...Array.from({ length: 10 }, () => deliveryJob({ endpointId: hanging })),
    ]);
    await queue.dispatch({
      laneLimits: async () => ({ customerMaxInFlight: 4, endpointMaxInFlight: 4 }),
      handle: async ({ endpointId }) => {
        if (endpointId === quick) quickOnes += 1;
        else {
          hangingNow += 1;
          await hangs.opened;
          hangingNow -= 1;
        }
        return done;
      },
    });
    await waitUntil(() => hangingNow === 3 && quickOnes === 1, { timeoutMs: 20_000 });
    // Longer than the quick one's lane stays open.
    for (let n = 2; n < 4; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      await queue.producer.enqueue([deliveryJob({ endpointId: quick })]);
      await waitUntil(() => quickOnes === n, { timeoutMs: 20_000 });
    }
    expect(hangingNow).toBe(3);
    hangs.open();
  }, 60_000);

  it('never has more in flight than the customer and the endpoint may, and shares the budget among busy lanes', async () => {
    const slow = newId();
    const others = [newId(), newId(), newId()];
    const inFlight = new Map<string, number>();
    let total = 0;
    let totalMax = 0;
    let laneMax = 0;
    const slowOnes = gate();
    let slowMaxBesideOthers = 0;
    let finished = 0;
    const jobsOf = (endpointId: string, n: number) =>
      Array.from({ length: n }, () => deliveryJob({ endpointId }));
    await queue.producer.enqueue([
      ...jobsOf(slow, 20),
      ...others.flatMap((endpointId) => jobsOf(endpointId, 60)),
    ]);
    await queue.dispatch({
      laneLimits: async () => ({ customerMaxInFlight: 8, endpointMaxInFlight: 6 }),
      handle: async ({ endpointId }) => {
        total += 1;
        inFlight.set(endpointId, (inFlight.get(endpointId) ?? 0) + 1);
        totalMax = Math.max(totalMax, total);
        laneMax = Math.max(laneMax, inFlight.get(endpointId)!);
        if (finished > 20) slowMaxBesideOthers = Math.max(slowMaxBesideOthers, inFlight.get(slow) ?? 0);
        if (endpointId === slow) await slowOnes.opened;
        else await new Promise((resolve) => setTimeout(resolve, 5));
        total -= 1;
        inFlight.set(endpointId, inFlight.get(endpointId)! - 1);
        finished += 1;
        return done;
      },
    });
    await waitUntil(() => finished === 180);
    expect(totalMax).toBe(8);
    expect(slowMaxBesideOthers).toBeLessThanOrEqual(6);
    // The other lanes have ended: the hanging one gets its endpoint's share again without one of its jobs ending.
    await waitUntil(() => inFlight.get(slow) === 6);
    slowOnes.open();
    await waitUntil(() => finished === 200);
    expect(laneMax).toBe(6);
  });

  it('never has more in flight than the customer may, when more of its endpoints are busy than that', async () => {
    const endpoints = Array.from({ length: 6 }, () => newId());
    let [inFlight, most, finished] = [0, 0, 0];
    await queue.producer.enqueue(
      endpoints.flatMap((endpointId) => Array.from({ length: 10 }, () => deliveryJob({ endpointId }))),
    );
    await queue.dispatch({
      laneLimits: async () => ({ customerMaxInFlight: 2, endpointMaxInFlight: 6 }),
      handle: async () => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inFlight -= 1;
        finished += 1;
        return done;
      },
    });
    await waitUntil(() => finished === 60);
    expect(most).toBe(2);
  });

  it('follows a changed limit while jobs run', async () => {
    const endpointId = newId();
    let endpointMaxInFlight = 1;
    let running = 0;
    const hold = gate();
    await queue.producer.enqueue(Array.from({ length: 10 }, () => deliveryJob({ endpointId })));
    await queue.dispatch({
      laneLimits: async () => ({ customerMaxInFlight: 20, endpointMaxInFlight }),
      handle: async () => {
        running += 1;
        await hold.opened;
        return done;
      },
    });
    await waitUntil(() => running === 1);
    endpointMaxInFlight = 4;
    await waitUntil(() => running === 4);
    hold.open();
    await waitUntil(() => running === 10);
  });

  it('refuses no customer its first send when the process is full', async () => {
    const hold = gate();
    const running = new Map<string, number>();
    const dispatcher = await queue.dispatch({
      inFlightMax: 3,
      handle: async ({ customerId }) => {
        running.set(customerId, (running.get(customerId) ?? 0) + 1);
        await hold.opened;
        return done;
      },
    });
    const endpointId = newId();
    await queue.producer.enqueue(
      Array.from({ length: 5 }, () => deliveryJob({ customerId: 'hungry', endpointId })),
    );
    await waitUntil(() => running.get('hungry') === 3);
    await queue.producer.enqueue(
      [1, 2, 3].flatMap((n) => [0, 1].map(() => deliveryJob({ customerId: `late-${n}` }))),
    );
    await waitUntil(() => running.size === 4);
    expect(dispatcher.stats().inFlight).toBe(6);
    expect(running.get('hungry')).toBe(3);
    hold.open();
    await waitUntil(() => [...running.values()].reduce((sum, n) => sum + n, 0) === 11);
  });

  it('reports how far its clock is from Redis’s', async () => {
    const dispatcher = await queue.dispatch({ handle: async () => done });
    await dispatcher.ping();
    expect(Math.abs(dispatcher.stats().clockSkewMs!)).toBeLessThan(1000);
  });
});

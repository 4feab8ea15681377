import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { RateLimit, DeliveryRef } from '@posthorn/domain';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import type { JobVerdict } from '../delivery-job.js';
import type { HealthStore, StoredHealth } from '../dispatcher-options.js';
import { laneName } from '../lanes/lane-name.js';
import { deliveryJob, newId, queueUnderTest, type QueueUnderTest } from '../test-support/queue-under-test.js';

const failed: JobVerdict = { kind: 'retry', delayMs: 60_000, healthSignal: { kind: 'failure', pauseMs: 0 } };
const delivered: JobVerdict = { kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } };
const limits = { customerMaxInFlight: 20, endpointMaxInFlight: 10 };

describe('the gate of an endpoint, in the dispatcher', () => {
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

  /** What Postgres would keep. */
  function keeper() {
    const kept = new Map<string, StoredHealth>();
    const drains: { endpointId: string; end: () => void; aborted: boolean }[] = [];
    const health: HealthStore = {
      load: (endpointId) => Promise.resolve(kept.get(endpointId) ?? null),
      save: (seen) => void kept.set(seen.endpointId, seen),
      drain: ({ endpointId }, signal) =>
        new Promise((resolve, reject) => {
          const drain = { endpointId, end: resolve, aborted: false };
          drains.push(drain);
          signal.addEventListener('abort', () => {
            drain.aborted = true;
            reject(new Error('aborted'));
          });
        }),
    };
    return { kept, drains, health };
  }
  const jobsFor = (endpointId: string, count: number) =>
    Array.from({ length: count }, () => deliveryJob({ endpointId }));
  const waiting = (endpointId: string) => queue.producer.waiting({ customerId: 'acme', endpointId });

  it('parks what waits for a failing endpoint, and leaves its customer’s other endpoints alone', async () => {
    const [bad, good] = [newId(), newId()];
    const { kept, health } = keeper();
    const handled: string[] = [];
    await queue.dispatch({
      health,
      handle: async ({ endpointId }) => {
        handled.push(endpointId);
        return endpointId === bad ? failed : delivered;
      },
    });
    await queue.producer.enqueue([...jobsFor(bad, 100), ...jobsFor(good, 100)]);
    await waitUntil(() => handled.filter((id) => id === good).length === 100);
    await waitUntil(() => kept.get(bad)?.health.openUntilMs);
    const attempts = handled.filter((id) => id === bad).length;
    // Five failures, and what was in flight beside them.
    expect(attempts).toBeGreaterThanOrEqual(5);
    expect(attempts).toBeLessThanOrEqual(25);
    expect(await waiting(bad)).toBe(100 - attempts);
    expect(kept.has(good)).toBe(false);
  });

  it('is taken over closed, and its customer is released without waiting for it to open', async () => {
    const endpointId = newId();
    const { kept, health } = keeper();
    let first = 0;
    const owner = await queue.dispatch({ health, handle: async () => (first++, failed) });
    await queue.producer.enqueue(jobsFor(endpointId, 50));
    await waitUntil(() => kept.get(endpointId)?.health.openUntilMs);
    const openUntilMs = kept.get(endpointId)?.health.openUntilMs ?? 0;
    await owner.stop({ deadlineMs: 5000 });

    const startedAtMs: number[] = [];
    const taker = await queue.dispatch({
      health,
      handle: async () => {
        startedAtMs.push(Date.now());
        return failed;
      },
    });
    await waitUntil(() => startedAtMs.length === 1, { timeoutMs: 30_000 });
    expect(startedAtMs[0]).toBeGreaterThanOrEqual(openUntilMs);
    await waitUntil(() => kept.get(endpointId)?.health.openings === 2);
    // One probe, and closed again for longer; nothing is lost.
    expect(startedAtMs).toHaveLength(1);
    expect((await waiting(endpointId)) + first + 1).toBe(50);
    expect(taker.stats().customers).toBe(1);
  }, 40_000);

  it('lets everything through again after one success, on a ramp, and has the backlog made due', async () => {
    const endpointId = newId();
    const { kept, drains, health } = keeper();
    kept.set(endpointId, {
      customerId: 'acme',
      endpointId,
      epoch: 0,
      health: { openUntilMs: Date.now() - 1, openings: 3, pausedUntilMs: null, draining: false, score: 10 },
    });
    let running = 0;
    const runningAtStart: number[] = [];
    await queue.dispatch({
      health,
      handle: async () => {
        running += 1;
        runningAtStart.push(running);
        await new Promise((resolve) => setTimeout(resolve, 20));
        running -= 1;
        return delivered;
      },
    });
    await queue.producer.enqueue(jobsFor(endpointId, 60));
    await waitUntil(() => runningAtStart.length === 60);
    // The probe, one more, then two at a time, then four, then eight.
    expect(Math.max(...runningAtStart.slice(0, 2))).toBe(1);
    expect(Math.max(...runningAtStart.slice(2, 4))).toBeLessThanOrEqual(2);
    expect(Math.max(...runningAtStart.slice(4, 8))).toBeLessThanOrEqual(4);
    expect(Math.max(...runningAtStart)).toBeGreaterThan(4);
    expect(drains).toHaveLength(1);
    expect(kept.get(endpointId)?.health).toMatchObject({ openUntilMs: null, draining: true });
    drains[0]?.end();
    await waitUntil(() => kept.get(endpointId)?.health.draining === false);
  });

  /** A dispatcher that continues with a backlog an earlier owner left. */
  async function ownerOfDraining() {
    const endpointId = newId();
    const { kept, drains, health } = keeper();
    kept.set(endpointId, {
      customerId: 'acme',
      endpointId,
      epoch: 0,
      health: { openUntilMs: null, openings: 0, pausedUntilMs: null, draining: true, score: 50 },
    });
    const owner = await queue.dispatch({ health, handle: async () => delivered });
    await queue.producer.enqueue(jobsFor(endpointId, 1));
    await waitUntil(() => drains.length === 1);
    return { endpointId, kept, drains, owner };
  }

  it('continues to make a backlog due that an earlier owner left', async () => {
    const { endpointId, kept, drains, owner } = await ownerOfDraining();
    await owner.stop({ deadlineMs: 1000 });
    expect(drains[0]?.aborted).toBe(true);
    expect(kept.get(endpointId)?.health.draining).toBe(true);
  });

  it('leaves a backlog that is not due yet to the next owner when its customer is released idle', async () => {
    const { endpointId, kept, drains, owner } = await ownerOfDraining();
    await waitUntil(() => owner.stats().released === 1);
    expect(drains[0]?.aborted).toBe(true);
    expect(kept.get(endpointId)?.health.draining).toBe(true);
    await queue.producer.enqueue(jobsFor(endpointId, 1));
    await waitUntil(() => drains.length === 2);
  });

  it('drops a stale probe unsent without believing it, and probes with the next job', async () => {
    const endpointId = newId();
    const { kept, health } = keeper();
    kept.set(endpointId, {
      customerId: 'acme',
      endpointId,
      epoch: 0,
      health: { openUntilMs: Date.now() - 1, openings: 1, pausedUntilMs: null, draining: false, score: 50 },
    });
    const verdicts: JobVerdict[] = [{ kind: 'done' }, { kind: 'done' }, delivered];
    const handled: DeliveryRef[] = [];
    await queue.dispatch({
      health,
      handle: async (job) => {
        handled.push(job);
        return verdicts[handled.length - 1] ?? delivered;
      },
    });
    await queue.producer.enqueue(jobsFor(endpointId, 10));
    await waitUntil(() => handled.length === 10);
    expect(kept.get(endpointId)?.health.openUntilMs).toBeNull();
  });

  it('keeps an open breaker while its lane closes and opens again under one lease, and drops it for a new epoch', async () => {
    const [bad, other] = [newId(), newId()];
    const { kept, health } = keeper();
    let healthEpoch = 0;
    let bads = 0;
    const stop = { value: false };
    await queue.dispatch({
      health,
      laneLimits: () => Promise.resolve({ ...limits, healthEpoch }),
      handle: async ({ endpointId }) => {
        if (endpointId === bad) bads += 1;
        // Keeps the customer busy, so that its lease lasts.
        else if (!stop.value)
          return { kind: 'retry', delayMs: 50, healthSignal: { kind: 'success', pauseMs: 0 } };
        return endpointId === bad && healthEpoch === 0 ? failed : delivered;
      },
    });
    await queue.producer.enqueue([...jobsFor(bad, 5), ...jobsFor(other, 1)]);
    await waitUntil(() => kept.get(bad)?.health.openUntilMs);
    expect(bads).toBe(5);
    // Forgotten where it is stored: only the owner knows now.
    kept.delete(bad);
    await queue.producer.enqueue(jobsFor(bad, 3));
    await waitUntil(async () => (await waiting(bad)) === 3);
    healthEpoch = 1;
    await waitUntil(() => bads === 8);
    expect(kept.get(bad)).toMatchObject({ epoch: 1, health: { openUntilMs: null, score: 100 } });
    stop.value = true;
  });

  it('closes for as long as a response requests, for all deliveries of the endpoint', async () => {
    const endpointId = newId();
    const { kept, health } = keeper();
    const startedAtMs: number[] = [];
    await queue.dispatch({
      health,
      laneLimits: () => Promise.resolve({ ...limits, endpointMaxInFlight: 1 }),
      handle: async () => {
        startedAtMs.push(Date.now());
        if (startedAtMs.length > 1) return delivered;
        return { kind: 'retry', delayMs: 60_000, healthSignal: { kind: 'neutral', pauseMs: 1500 } };
      },
    });
    await queue.producer.enqueue(jobsFor(endpointId, 3));
    await waitUntil(() => startedAtMs.length === 3);
    const pausedUntilMs = kept.get(endpointId)?.health.pausedUntilMs ?? 0;
    expect(startedAtMs[1]).toBeGreaterThanOrEqual(pausedUntilMs);
    expect(pausedUntilMs - (startedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(1500);
  });

  it.each([
    ['an endpoint', 'endpointRateLimit'],
    ['a customer', 'customerRateLimit'],
  ] as const)('fetches no more than the rate limit of %s lets through', async (_of, limit) => {
    const endpointId = newId();
    let [sent, fetched, most] = [0, 0, 0];
    await queue.dispatch({
      laneLimits: async () => ({ ...limits, [limit]: { max: 10, perSeconds: 1 } }),
      handle: async (_job, _signal, waitForRateLimit) => {
        fetched += 1;
        most = Math.max(most, fetched - sent);
        await waitForRateLimit();
        sent += 1;
        return delivered;
      },
    });
    await queue.producer.enqueue(jobsFor(endpointId, 20));
    // Slow start is over by then.
    await waitUntil(() => sent >= 12);
    expect(most).toBeLessThanOrEqual(2);
    expect(await waiting(endpointId)).toBeGreaterThanOrEqual(5);
  });

  it('paces an endpoint and a customer, also over a take-over', async () => {
    const [slow, free, once] = [newId(), newId(), newId()] as const;
    const startedAtMs: Record<string, number[]> = { [slow]: [], [free]: [], [once]: [] };
    const rateLimits: Record<string, RateLimit> = {
      [slow]: { max: 2, perSeconds: 1 },
      // Its next send is so far off that no take-over outlasts it.
      [once]: { max: 1, perSeconds: 3600 },
    };
    const paced = {
      laneLimits: (_: string, endpointId: string) =>
        Promise.resolve({
          ...limits,
          customerRateLimit: { max: 10, perSeconds: 1 },
          endpointRateLimit: rateLimits[endpointId] ?? null,
        }),
      handle: async ({ endpointId }: DeliveryRef, _: AbortSignal, waitForRateLimit: () => Promise<void>) => {
        // What lies between takes longer for one than for the next.
        await new Promise((resolve) => setTimeout(resolve, 150 * Math.random()));
        await waitForRateLimit();
        startedAtMs[endpointId]?.push(Date.now());
        return delivered;
      },
    };
    const all = () =>
      Object.values(startedAtMs)
        .flat()
        .sort((a, b) => a - b);
    const owner = await queue.dispatch(paced);
    const pacesOf = async (keys = queue.keys()) => (await keys).filter((key) => key.endsWith(':pace'));
    const paceOfOnce = `${shared.prefix}:${laneName('acme', once)}:pace`;
    await queue.producer.enqueue([...jobsFor(slow, 20), ...jobsFor(free, 20), ...jobsFor(once, 2)]);
    await waitUntil(() => all().length >= 12 && startedAtMs[once]?.length === 1);
    await owner.stop({ deadlineMs: 5000 });
    expect(await pacesOf()).toContain(paceOfOnce);
    await queue.dispatch(paced);
    await waitUntil(() => all().length >= 30, { timeoutMs: 20_000 });
    // Never more than the limit in any window. The clock is looked at a little after the send was allowed.
    const mostWithin = (times: number[], max: number) =>
      Math.min(...times.slice(max).map((at, i) => at - (times[i] ?? 0)));
    expect(mostWithin(all(), 10)).toBeGreaterThan(950);
    expect(mostWithin(startedAtMs[slow] ?? [], 2)).toBeGreaterThan(950);
    expect(startedAtMs[slow]?.length).toBeGreaterThan(4);
    expect(startedAtMs[once]).toHaveLength(1);
    // And the keys of the pace go by themselves, each when its next send is allowed.
    await waitUntil(async () => (await pacesOf()).every((key) => key === paceOfOnce), { timeoutMs: 20_000 });
  }, 60_000);
});

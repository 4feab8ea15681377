import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import type { JobVerdict } from '../delivery-job.js';
import type { HealthStore, StoredHealth } from '../dispatcher-options.js';
import { deliveryJob, newId, queueUnderTest, type QueueUnderTest } from '../test-support/queue-under-test.js';

const delivered: JobVerdict = { kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } };
const limits = { customerMaxInFlight: 20, endpointMaxInFlight: 10 };

describe('the dispatcher, when it does not know the limits or the health of a lane', () => {
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

  const jobsFor = (endpointId: string, count: number) =>
    Array.from({ length: count }, () => deliveryJob({ endpointId }));
  const waiting = (endpointId: string) => queue.producer.waiting({ customerId: 'acme', endpointId });

  it('keeps a customer’s pace when the limits of one of its lanes are not known any more', async () => {
    const [gone, broken, good] = [newId(), newId(), newId()];
    const asked = { [gone]: 0, [broken]: 0, [good]: 0 };
    let known = true;
    const sent: string[] = [];
    await queue.dispatch({
      laneLimits: async (_, endpointId) => {
        asked[endpointId] = (asked[endpointId] ?? 0) + 1;
        if (endpointId === broken) throw new Error('not now');
        if (endpointId === gone && !known) return { endpointMaxInFlight: 10 };
        return { ...limits, customerRateLimit: { max: 1, perSeconds: 3600 } };
      },
      handle: async ({ deliveryId }, _, waitForRateLimit) => {
        await waitForRateLimit();
        sent.push(deliveryId);
        return delivered;
      },
    });
    await queue.producer.enqueue([...jobsFor(gone, 3), ...jobsFor(good, 3)]);
    await waitUntil(() => sent.length === 1 && asked[gone] && asked[good]);
    known = false;
    await queue.producer.enqueue(jobsFor(broken, 3));
    // Each once more than it takes: what the one before brought has been applied, and had its time to show.
    const before = { ...asked };
    const askedAgain = (endpointId: string, times: number) =>
      (asked[endpointId] ?? 0) >= (before[endpointId] ?? 0) + times;
    await waitUntil(
      () => sent.length > 1 || (askedAgain(gone, 4) && askedAgain(good, 4) && askedAgain(broken, 2)),
    );
    expect(sent).toHaveLength(1);
    expect((await waiting(gone)) + (await waiting(good)) + (await waiting(broken))).toBe(8);
  });

  it('keeps a customer’s sends in flight when the limits of one of its lanes are not known any more', async () => {
    const [gone, good] = [newId(), newId()];
    let asked = 0;
    let known = true;
    const held: (() => void)[] = [];
    await queue.dispatch({
      laneLimits: async (_, endpointId) => {
        if (endpointId !== gone || known) return { ...limits, customerMaxInFlight: 2 };
        asked += 1;
        return { endpointMaxInFlight: 10 };
      },
      handle: async () => {
        await new Promise<void>((resolve) => held.push(resolve));
        return delivered;
      },
    });
    await queue.producer.enqueue([...jobsFor(gone, 5), ...jobsFor(good, 5)]);
    await waitUntil(() => held.length === 2);
    known = false;
    await waitUntil(() => asked >= 4);
    expect(held).toHaveLength(2);
    // Neither more than before nor fewer.
    for (let ended = 1; ended <= 8; ended++) {
      held[ended - 1]?.();
      await waitUntil(() => held.length >= ended + 2);
      expect(held).toHaveLength(ended + 2);
    }
    for (const end of held) end();
  });

  it.each(['limits', 'health'])(
    'opens no lane whose %s it cannot get, and then goes on from the breaker that was kept',
    async (what) => {
      const endpointId = newId();
      const openUntilMs = Date.now() + 3000;
      const left: StoredHealth = {
        customerId: 'acme',
        endpointId,
        epoch: 7,
        health: { openUntilMs, openings: 2, pausedUntilMs: null, draining: false, score: 20 },
      };
      const kept = new Map([[endpointId, left]]);
      let asked = 0;
      let failing = true;
      const ask = (asking: string) => {
        if (asking !== what) return;
        asked += 1;
        if (failing) throw new Error('not now');
      };
      const health: HealthStore = {
        load: async (id) => {
          ask('health');
          return kept.get(id) ?? null;
        },
        save: (seen) => void kept.set(seen.endpointId, seen),
        drain: () => new Promise(() => undefined),
      };
      const startedAtMs: number[] = [];
      const dispatcher = await queue.dispatch({
        health,
        laneLimits: async () => {
          ask('limits');
          return { ...limits, healthEpoch: 7 };
        },
        handle: async () => {
          startedAtMs.push(Date.now());
          return delivered;
        },
      });
      await queue.producer.enqueue(jobsFor(endpointId, 3));
      await waitUntil(() => asked >= 2 || startedAtMs.length > 0);
      expect(startedAtMs).toEqual([]);
      expect(kept.get(endpointId)).toBe(left);
      expect(dispatcher.stats()).toMatchObject({ customers: 1, lanes: 0, released: 0 });
      failing = false;
      await waitUntil(() => startedAtMs.length === 3);
      expect(startedAtMs[0]).toBeGreaterThanOrEqual(openUntilMs);
      expect(kept.get(endpointId)).toMatchObject({ epoch: 7, health: { draining: true } });
      expect(kept.get(endpointId)?.health.score).toBeLessThan(100);
    },
  );

  it('hands a lane whose limits it cannot get to a worker that can', async () => {
    const endpointId = newId();
    let asked = 0;
    const owner = await queue.dispatch({
      laneLimits: () => {
        asked += 1;
        return Promise.reject(new Error('not now'));
      },
      handle: async () => delivered,
    });
    await queue.producer.enqueue(jobsFor(endpointId, 1));
    await waitUntil(() => asked === 1);
    await owner.stop({ deadlineMs: 5000 });
    expect(owner.stats()).toMatchObject({ customers: 0, released: 1 });
    let ran = false;
    await queue.dispatch({
      handle: async () => {
        ran = true;
        return delivered;
      },
    });
    await waitUntil(() => ran);
  });
});

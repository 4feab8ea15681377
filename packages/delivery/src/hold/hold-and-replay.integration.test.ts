import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryJob } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';

import { cancelDelivery } from '../cancel/cancel-delivery.js';
import { replayDelivery, type ReplayDeps } from '../replay/replay-delivery.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { holdLimitMs } from './hold-limit.js';
import { cancelHeldOverLimit } from './cancel-held-over-limit.js';
import { pauseEndpoint } from './pause-endpoint.js';
import { createHeldReconciler } from './reconcile-held-deliveries.js';
import { resumeEndpoint } from './resume-endpoint.js';

const DAY_MS = 86_400_000;
const signal = new AbortController().signal;
let pipeline: OpenPipeline;
let receiver: Receiver;
let deps: ReplayDeps;
const enqueued: DeliveryJob[] = [];

beforeAll(async () => {
  pipeline = await openPipeline();
  receiver = await startReceiver();
  await pipeline.addCustomer('acme');
  deps = {
    pool: pipeline.database.pool,
    queue: {
      enqueue: (jobs) => {
        enqueued.push(...jobs);
        return Promise.resolve();
      },
    },
    logger: createLogger({ level: 'silent', role: 'test' }),
    holdLimitMs: holdLimitMs(30),
  };
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});
beforeEach(() => {
  enqueued.length = 0;
  receiver.respondWith(() => ({ status: 200 }));
});

describe('held deliveries', () => {
  it('are released under the next generation, with the time of their policy, and the job before it is dropped', async () => {
    const { endpointId, eventIds, delivery, handle } = await open(1);
    await pauseEndpoint(deps, endpointId);
    expect(await delivery()).toMatchObject({ status: 'held', generation: 1 });
    await resumeEndpoint(deps, endpointId, { from: 'paused', held: 'release' });
    const released = await delivery();
    expect(released).toMatchObject({ status: 'pending', generation: 2 });
    const expiresInMs = (released['expires_at'] as Date).getTime() - Date.now();
    // No delays between its attempts, and the time in which it may be parked.
    expect(expiresInMs).toBeGreaterThan(0.9 * DAY_MS);
    expect(expiresInMs).toBeLessThanOrEqual(DAY_MS);
    expect(enqueued).toMatchObject([{ eventId: eventIds[0], generation: 2 }]);
    expect(enqueued[0]?.delayMs ?? 0).toBe(0);

    const sent = receiver.requests.length;
    await handle(1);
    expect(receiver.requests).toHaveLength(sent);
    await handle(2);
    expect(await delivery()).toMatchObject({ status: 'delivered', attempts: 1 });
  });

  it('never get more time than their partition has', async () => {
    const { endpointId, delivery } = await open(1);
    await pauseEndpoint(deps, endpointId);
    await deps.pool.query(
      "UPDATE delivery SET created_at = now() - interval '27 days' WHERE endpoint_id = $1",
      [endpointId],
    );
    await resumeEndpoint(deps, endpointId, { from: 'paused', held: 'release' });
    const expiresInMs = ((await delivery())['expires_at'] as Date).getTime() - Date.now();
    expect(expiresInMs).toBeLessThanOrEqual(DAY_MS);
    expect(expiresInMs).toBeGreaterThan(0.9 * DAY_MS);
  });

  it('are found by the pass when nobody released them, a bounded number at a time', async () => {
    const { endpointId, countBy } = await open(2_500);
    await pauseEndpoint(deps, endpointId);
    // The process that resumed it is gone before it released anything.
    await deps.pool.query("UPDATE endpoint SET status = 'enabled' WHERE id = $1", [endpointId]);
    const pass = createHeldReconciler({ ...deps, releasedMax: 2_000 });
    expect(await pass.run()).toEqual({ released: 2_000, cancelled: 0 });
    expect(await countBy('status')).toEqual({ held: 500, pending: 2_000 });
    expect(await pass.run()).toEqual({ released: 500, cancelled: 0 });
    expect(await pass.run()).toEqual({ released: 0, cancelled: 0 });
    expect(enqueued).toHaveLength(2_500);
  });

  it('are cancelled by the pass when the resume said so, but none of a later event', async () => {
    const { endpointId, accept, countBy } = await open(3);
    await pauseEndpoint(deps, endpointId);
    await deps.pool.query(
      "UPDATE endpoint SET status = 'enabled', held_cancel_before = clock_timestamp() WHERE id = $1",
      [endpointId],
    );
    const later = await accept();
    await deps.pool.query(
      `UPDATE delivery SET status = 'held', reason = 'endpoint_paused', next_attempt_at = NULL,
              created_at = created_at + interval '1 second' WHERE event_id = $1`,
      [later],
    );
    expect(await createHeldReconciler(deps).run()).toEqual({ released: 1, cancelled: 0 });
    expect(await countBy('reason')).toEqual({ held_cancelled: 3, null: 1 });
    expect(await pipeline.delivery(later, endpointId)).toMatchObject({ status: 'pending' });
  });

  it('end with their endpoint, also when they came after its deletion', async () => {
    const { endpointId, countBy } = await open(2);
    await pauseEndpoint(deps, endpointId);
    await deps.pool.query('UPDATE endpoint SET deleted_at = now() WHERE id = $1', [endpointId]);
    expect(await createHeldReconciler(deps).run()).toEqual({ released: 0, cancelled: 2 });
    expect(await countBy('reason')).toEqual({ endpoint_deleted: 2 });
  });

  it('are cancelled past the limit, the newest first', async () => {
    const { endpointId, eventIds } = await open(8);
    await pauseEndpoint(deps, endpointId);
    expect(await cancelHeldOverLimit({ ...deps, heldMax: 8 })).toBe(0);
    // As two workers would.
    const cancelled = await Promise.all([1, 2].map(() => cancelHeldOverLimit({ ...deps, heldMax: 5 })));
    expect(cancelled[0]! + cancelled[1]!).toBe(3);
    expect(await cancelHeldOverLimit({ ...deps, heldMax: 5 })).toBe(0);
    const { rows } = await deps.pool.query<{ created_at: Date; reason: string }>(
      'SELECT reason FROM delivery WHERE event_id = ANY ($1) ORDER BY id',
      [eventIds],
    );
    expect(rows.map(({ reason }) => reason)).toEqual([
      ...Array.from({ length: 5 }, () => 'endpoint_paused'),
      ...Array.from({ length: 3 }, () => 'held_limit'),
    ]);
  });

  it('do not come about because a worker has not yet heard that the endpoint is enabled', async () => {
    const { endpointId, delivery, handle } = await open(1);
    await deps.pool.query("UPDATE endpoint SET status = 'paused' WHERE id = $1", [endpointId]);
    await pipeline.endpoints.get(endpointId);
    await deps.pool.query("UPDATE endpoint SET status = 'enabled' WHERE id = $1", [endpointId]);
    expect(await handle(1)).toEqual({ kind: 'retry', delayMs: 0 });
    expect(await delivery()).toMatchObject({ status: 'pending' });
    expect(await handle(1)).toEqual({ kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } });
    expect(await delivery()).toMatchObject({ status: 'delivered' });
  });
});

describe('replaying', () => {
  it('goes on in numbering and webhook-id, with a fresh budget, and says which attempt was asked for', async () => {
    receiver.respondWith(() => ({ status: 500 }));
    const { id, delivery, attempts, handle } = await open(1);
    await handle(1);
    await handle(1);
    expect(await delivery()).toMatchObject({ status: 'dead_lettered', attempts: 2 });
    const before = receiver.requests.at(-1)?.headers['webhook-id'];

    expect(await replayDelivery(deps, id)).toBe('opened');
    expect(await handle(1)).toEqual({ kind: 'done' });
    expect(await handle(2)).toMatchObject({ kind: 'retry' });
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 3 });
    await handle(2);
    expect(await delivery()).toMatchObject({ status: 'dead_lettered', attempts: 4, generation: 2 });
    expect((await attempts()).map(({ number, trigger }) => [number, trigger])).toEqual([
      [1, 'automatic'],
      [2, 'automatic'],
      [3, 'replay'],
      [4, 'automatic'],
    ]);
    expect(receiver.requests.at(-1)?.headers['webhook-id']).toBe(before);
  });

  it('leaves delivered what was delivered, however it goes; its attempts say how', async () => {
    const { id, delivery, handle } = await open(1);
    await handle(1);
    const { finished_at: deliveredAt } = await delivery();
    receiver.respondWith(() => ({ status: 500 }));
    await replayDelivery(deps, id);
    expect(await delivery()).toMatchObject({ status: 'pending', finished_at: null });
    await handle(2);
    await handle(2);
    expect(await delivery()).toMatchObject({
      status: 'delivered',
      reason: null,
      attempts: 3,
      finished_at: deliveredAt,
    });
  });

  it('marks the first attempt of one that was never tried', async () => {
    const { id, delivery, attempts, handle } = await open(1);
    await cancelDelivery(deps.pool, id);
    await replayDelivery(deps, id);
    await handle(2);
    expect(await delivery()).toMatchObject({ status: 'delivered', attempts: 1 });
    expect(await attempts()).toMatchObject([{ number: 1, trigger: 'replay' }]);
  });

  it('opens it once, however many ask at once', async () => {
    const { id, delivery, handle } = await open(1);
    await handle(1);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => replayDelivery(deps, id)));
    expect(outcomes.sort()).toEqual(['due', 'due', 'due', 'due', 'opened']);
    expect(await delivery()).toMatchObject({ generation: 2 });
    expect(enqueued).toHaveLength(1);
  });

  it('succeeds without Redis: what opened is due, and the sweep finds it', async () => {
    const { id, delivery, handle } = await open(1);
    await handle(1);
    const queue = { enqueue: () => Promise.reject(new Error('Redis is away')) };
    expect(await replayDelivery({ ...deps, queue }, id)).toBe('opened');
    expect(await delivery()).toMatchObject({ status: 'pending', generation: 2 });
  });
});

describe('cancelling while the send is on the wire', () => {
  it.each([
    [500, 'cancelled', 'cancelled_by_request'],
    [200, 'delivered', null],
  ])('an answer of %i leaves it %s', async (status, ends, reason) => {
    const { id, delivery, attempts, handle } = await open(1);
    receiver.respondWith(async () => {
      expect(await cancelDelivery(deps.pool, id)).toBe(true);
      return { status };
    });
    expect(await handle(1)).toMatchObject({ kind: 'done', healthSignal: { kind: 'neutral' } });
    expect(await delivery()).toMatchObject({ status: ends, reason, attempts: 1, next_attempt_at: null });
    expect(await attempts()).toMatchObject([{ number: 1, response_code: status }]);
  });
});

/** An endpoint of its own with some events, and two attempts per opening without a delay between them. */
async function open(events: number) {
  const retryPolicy = { delaysSeconds: [0], maxAttempts: 2, jitter: 0, parkedMaxSeconds: DAY_MS / 1000 };
  const { id: endpointId } = await pipeline.addEndpoint('acme', { url: receiver.url, retryPolicy });
  const type = `only.${endpointId}`;
  await pipeline.endpointStore.patch(endpointId, (current) => ({ ...current, eventTypes: [type] }));
  const accept = () => pipeline.accept({ customerId: 'acme', type });
  const eventIds = await Promise.all(Array.from({ length: events }, accept));
  const first = eventIds[0]!;
  const job = pipeline.jobOf(first, endpointId);
  return {
    endpointId,
    eventIds,
    accept,
    id: job.deliveryId,
    delivery: () => pipeline.delivery(first, endpointId),
    attempts: () => pipeline.attempts(first, endpointId),
    handle: (generation: number) => pipeline.handle({ ...job, generation }, signal),
    async countBy(column: 'status' | 'reason') {
      const { rows } = await deps.pool.query<{ value: string | null; n: number }>(
        `SELECT ${column} AS value, count(*)::int AS n FROM delivery WHERE endpoint_id = $1 GROUP BY 1`,
        [endpointId],
      );
      return Object.fromEntries(rows.map(({ value, n }) => [String(value), n]));
    },
  };
}

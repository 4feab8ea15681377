import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';

import { cancelDelivery, cancelMatchingDeliveries } from '../cancel/cancel-delivery.js';
import { deleteEndpoint } from '../cancel/delete-endpoint.sql.js';
import { createLedgerStore } from '../history/ledger-store.sql.js';
import { expireHeld, expireParked } from '../hold/expire-deliveries.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { cancelHeldOverLimit } from '../hold/cancel-held-over-limit.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { createHeldReconciler } from '../hold/reconcile-held-deliveries.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import { replayDelivery, type ReplayDeps } from '../replay/replay-delivery.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';

const signal = new AbortController().signal;
let pipeline: OpenPipeline;
let receiver: Receiver;
let deps: ReplayDeps;
let worlds = 0;

beforeAll(async () => {
  pipeline = await openPipeline();
  receiver = await startReceiver();
  deps = {
    pool: pipeline.database.pool,
    queue: { enqueue: () => Promise.resolve() },
    logger: createLogger({ level: 'silent', role: 'test' }),
    holdLimitMs: holdLimitMs(30),
  };
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});

type Start = 'delivered' | 'dead_lettered' | 'cancelled';
type World = Awaited<ReturnType<typeof open>>;
interface Ending {
  happens(world: World): Promise<unknown>;
  /** What it makes of a delivery that had never been delivered. */
  status: 'delivered' | 'dead_lettered' | 'cancelled' | 'held' | 'pending';
  reason: string | null;
}

const pause = ({ endpointId }: World) => pauseEndpoint(deps, endpointId);
const end = (status: Ending['status'], reason: string | null, happens: Ending['happens']): Ending => ({
  status,
  reason,
  happens,
});

/** Everything that can happen to a delivery once it was replayed. */
const endings: Record<string, Ending> = {
  'is delivered': end('delivered', null, ({ handle }) => handle(200)),
  'fails as often as it may': end('dead_lettered', 'attempts_exhausted', async ({ handle }) => {
    await handle(500);
    await handle(500);
  }),
  'fails once': end('pending', null, ({ handle }) => handle(500)),
  'is cancelled': end('cancelled', 'cancelled_by_request', ({ id }) => cancelDelivery(deps.pool, id)),
  'is cancelled after a failure': end('cancelled', 'cancelled_by_request', async ({ id, handle }) => {
    await handle(500);
    await cancelDelivery(deps.pool, id);
  }),
  'is cancelled by filter': end('cancelled', 'cancelled_by_request', ({ customerId }) =>
    cancelMatchingDeliveries(deps.pool, { customerId }),
  ),
  'is cancelled while a failure is on the wire': end('cancelled', 'cancelled_by_request', ({ id, handle }) =>
    handle(500, () => cancelDelivery(deps.pool, id)),
  ),
  'is held by a pause': end('held', 'endpoint_paused', pause),
  'is held, and cancelled': end('cancelled', 'cancelled_by_request', async (world) => {
    await pause(world);
    await cancelDelivery(deps.pool, world.id);
  }),
  'is held, and cancelled by the resume': end('cancelled', 'held_cancelled', async (world) => {
    await pause(world);
    await resumeEndpoint(deps, world.endpointId, { from: 'paused', held: 'cancel' });
  }),
  'is held, and released by the resume': end('pending', null, async (world) => {
    await pause(world);
    await resumeEndpoint(deps, world.endpointId, { from: 'paused', held: 'release' });
  }),
  'is held past the limit': end('cancelled', 'held_limit', async (world) => {
    await pause(world);
    await cancelHeldOverLimit({ ...deps, heldMax: 0 });
  }),
  'is held, and expires': end('dead_lettered', 'expired', async (world) => {
    await pause(world);
    await world.expire();
    await expireHeld(deps.pool);
  }),
  'is held by 410': end('held', 'endpoint_disabled', ({ handle }) => handle(410)),
  'is held by 410, and cancelled': end('cancelled', 'cancelled_by_request', async ({ id, handle }) => {
    await handle(410);
    await cancelDelivery(deps.pool, id);
  }),
  'is answered 410 by an endpoint deleted meanwhile': end('cancelled', 'endpoint_deleted', (world) =>
    world.handle(410, () => world.markDeleted()),
  ),
  'ends with its endpoint': end('cancelled', 'endpoint_deleted', ({ endpointId }) =>
    deleteEndpoint(deps.pool, endpointId),
  ),
  'is taken up behind the deletion': end('cancelled', 'endpoint_deleted', async (world) => {
    await world.markDeleted();
    await world.handle(200);
  }),
  'is held, and its endpoint deleted': end('cancelled', 'endpoint_deleted', async (world) => {
    await pause(world);
    await world.markDeleted();
    await createHeldReconciler(deps).run();
  }),
  'is parked, and expires': end('dead_lettered', 'expired', async ({ expire }) => {
    await expire();
    await expireParked(deps.pool, { nowMs: Date.now(), graceMs: 0 });
  }),
  'is taken up after it expired': end('dead_lettered', 'expired', async ({ expire, handle }) => {
    await expire();
    await handle(200);
  }),
};

const rows = (['delivered', 'dead_lettered', 'cancelled'] as const).flatMap((start) =>
  Object.entries(endings).map(([name, ending]) => [start, name, ending] as const),
);

describe('a delivery that was replayed', () => {
  it.each(rows)('after it was %s %s', async (start, _name, { happens, status, reason }) => {
    const world = await open(start);
    const before = await world.delivery();
    expect(before['status']).toBe(start);
    expect(await replayDelivery(deps, world.id)).toBe('opened');
    expect(await world.delivery()).toMatchObject({ status: 'pending', reason: null, finished_at: null });
    await happens(world);

    const after = await world.delivery();
    const undelivered = status === 'dead_lettered' || status === 'cancelled';
    // What was delivered once is delivered, since then, and nothing else is to be said of it.
    if (start === 'delivered' && undelivered)
      expect(after).toMatchObject({ status: 'delivered', reason: null, finished_at: before['finished_at'] });
    else expect(after).toMatchObject({ status, reason });
    const { accepted, unmatchedEvents: _unmatched, ...places } = await world.ledger();
    expect(accepted).toBe(1);
    expect(Object.values(places).reduce((sum, n) => sum + n, 0)).toBe(1);
    expect(places[start === 'delivered' && undelivered ? 'delivered' : columns[status]]).toBe(1);
  });
});

const columns = {
  delivered: 'delivered',
  pending: 'pending',
  held: 'held',
  dead_lettered: 'deadLettered',
  cancelled: 'cancelled',
} as const;

/** A customer of its own with one delivery in this status. */
async function open(start: Start) {
  const customerId = `customer-${++worlds}`;
  await pipeline.addCustomer(customerId);
  const retryPolicy = { delaysSeconds: [0], maxAttempts: 2, jitter: 0 };
  const { id: endpointId } = await pipeline.addEndpoint(customerId, { url: receiver.url, retryPolicy });
  const eventId = await pipeline.accept({ customerId });
  const job = pipeline.jobOf(eventId, endpointId);
  const delivery = () => pipeline.delivery(eventId, endpointId);
  const handle = async (status: number, meanwhile: () => Promise<unknown> = () => Promise.resolve()) => {
    receiver.respondWith(async () => {
      await meanwhile();
      return { status };
    });
    await pipeline.handle({ ...job, generation: Number((await delivery())['generation']) }, signal);
  };
  const ledger = createLedgerStore({ prisma: pipeline.database.prisma });
  switch (start) {
    case 'delivered':
      await handle(200);
      break;
    case 'dead_lettered':
      await handle(500);
      await handle(500);
      break;
    case 'cancelled':
      await cancelDelivery(deps.pool, job.deliveryId);
      break;
  }
  return {
    customerId,
    endpointId,
    id: job.deliveryId,
    delivery,
    handle,
    ledger: () => ledger.read({ customerId }),
    expire: () =>
      deps.pool.query("UPDATE delivery SET expires_at = now() - interval '1 second' WHERE id = $1", [
        job.deliveryId,
      ]),
    async markDeleted() {
      await deps.pool.query('UPDATE endpoint SET deleted_at = now() WHERE id = $1', [endpointId]);
      pipeline.endpoints.drop(endpointId);
    },
  };
}

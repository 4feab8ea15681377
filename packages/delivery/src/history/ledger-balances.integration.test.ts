import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DeliveryJob } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';

import { cancelDelivery, cancelMatchingDeliveries } from '../cancel/cancel-delivery.js';
import { deleteEndpoint } from '../cancel/delete-endpoint.sql.js';
import { expireHeld } from '../hold/expire-deliveries.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { cancelHeldOverLimit } from '../hold/cancel-held-over-limit.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { createHeldReconciler } from '../hold/reconcile-held-deliveries.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import type { ReplayFilter } from '../replay/find-deliveries-to-replay.sql.js';
import { replayDelivery, replayEvent } from '../replay/replay-delivery.js';
import { createReplayRunner } from '../replay/replay-many.js';
import { createReplayStore, type Replay } from '../replay/replay-store.sql.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createLedgerStore, type Ledger } from './ledger-store.sql.js';

const STEPS = 120;
const AT_ONCE = 3;
const ROUNDS_MAX = 40;

let pipeline: OpenPipeline;
let receiver: Receiver;

beforeAll(async () => {
  pipeline = await openPipeline();
  receiver = await startReceiver();
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});

describe('whatever happens, several things at once', () => {
  it.each([1, 2, 3])(
    'the ledger balances at every step, what was delivered stays so, and every delivery ends (seed %i)',
    async (seed) => {
      const world = await openWorld(`customer-${seed}`, seed);
      for (let step = 0; step < STEPS; step += 1) {
        const done = Array.from({ length: AT_ONCE }, () => world.pick(world.operations)());
        await Promise.all(done);
        expectBalance(await world.ledger());
        expect(await world.undelivered()).toEqual([]);
        expectCounts(await world.readReplays());
      }
      await world.settle();
      const end = await world.ledger();
      expectBalance(end);
      expect(end).toMatchObject({ pending: 0, held: 0 });
      const replays = await world.readReplays();
      expectCounts(replays);
      expect(replays.filter(({ state }) => state !== 'completed' && state !== 'cancelled')).toEqual([]);
      // Otherwise the run has shown little.
      expect(
        Math.min(end.delivered, end.deadLettered, end.cancelled, end.unmatchedEvents ?? 0),
      ).toBeGreaterThan(0);
    },
    400_000,
  );
});

function expectBalance({ accepted, delivered, pending, held, deadLettered, cancelled }: Ledger): void {
  expect({ accepted }).toEqual({ accepted: delivered + pending + held + deadLettered + cancelled });
}

function expectCounts(replays: readonly Replay[]): void {
  for (const { state, matched, done, failed } of replays) {
    expect(Math.min(done, failed, matched - done - failed)).toBeGreaterThanOrEqual(0);
    if (state === 'completed') expect({ matched }).toEqual({ matched: done + failed });
  }
}

async function openWorld(customerId: string, seed: number) {
  const { pool, prisma } = pipeline.database;
  const logger = createLogger({ level: 'error', role: 'test' });
  const ledger = createLedgerStore({ prisma });
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const queue = {
    enqueue: (jobs: readonly DeliveryJob[]) => {
      pipeline.enqueued.push(...jobs);
      return Promise.resolve();
    },
  };
  const deps = { pool, queue, logger, holdLimitMs: holdLimitMs(30) };
  const reconciler = createHeldReconciler(deps);
  const keepLimit = () => cancelHeldOverLimit({ pool, logger, heldMax: 12 });
  const replays = createReplayStore({ ...pipeline.database, holdLimitMs: deps.holdLimitMs });
  const replayRunner = createReplayRunner({ ...deps, unfinishedMax: 3 });
  const { signal } = new AbortController();
  const endpoints: string[] = [];
  const events: string[] = [];

  receiver.respondWith(() => ({ status: pick([200, 200, 500, 500, 503, 410]) }));
  await pipeline.addCustomer(customerId);
  const addEndpoint = async () => {
    const eventTypes = [pick(['*', 'a.*', 'b.*'])];
    const retryPolicy = { delaysSeconds: [0], maxAttempts: 2, jitter: 0 };
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url, eventTypes, retryPolicy });
    endpoints.push(id);
  };
  await addEndpoint();
  // An acceptor and caches that nobody tells of changes: what they know is old most of the time.
  const { acceptor } = pipeline.openAcceptor();

  async function accept(): Promise<void> {
    const outcome = await acceptor.accept({
      customerId,
      type: pick(['a.x', 'b.x', 'c.x']),
      dataSource: '{}',
      externalId: null,
      occurredAtMs: null,
      idempotencyKey: null,
    });
    if (outcome.kind === 'accepted') events.push(outcome.id);
  }

  async function attempt(): Promise<void> {
    const jobs = pipeline.enqueued;
    if (jobs.length === 0) return;
    const [job] = jobs.splice(Math.floor(random() * jobs.length), 1);
    const verdict = await pipeline.handle(job!, signal);
    if (verdict.kind === 'retry') jobs.push(job!);
  }

  async function withDelivery(work: (id: string) => Promise<unknown>): Promise<void> {
    const { rows } = await pool.query<{ id: string }>(
      'SELECT id FROM delivery WHERE customer_id = $1 ORDER BY id',
      [customerId],
    );
    if (rows.length > 0) await work(pick(rows).id);
  }

  const resume = (from: 'paused' | 'disabled') =>
    resumeEndpoint(deps, pick(endpoints), { from, held: pick(['release', 'release', 'cancel'] as const) });
  const startReplay = (filter: Pick<ReplayFilter, 'status' | 'endpointId' | 'type'>) =>
    prisma.$transaction((tx) => replays.create(tx, { customerId, ...filter, since: null, until: null }));
  const startAnyReplay = () =>
    startReplay({
      status: pick(['dead_lettered', 'dead_lettered', 'cancelled', 'delivered'] as const),
      endpointId: pick([null, pick(endpoints)]),
      type: pick([null, 'a.x']),
    });
  const readReplays = async () =>
    (await replays.list({ customerId, state: null, limit: STEPS, before: null })).items;
  async function changeReplay(): Promise<void> {
    const [newest] = await readReplays();
    if (newest) await replays[pick(['pause', 'resume', 'resume', 'cancel'] as const)](newest.id);
  }
  const forget = (id: string): Promise<void> => {
    pipeline.endpoints.drop(id);
    return Promise.resolve();
  };
  const operations: (() => Promise<unknown>)[] = [
    ...Array.from({ length: 6 }, () => accept),
    ...Array.from({ length: 8 }, () => attempt),
    () => pauseEndpoint(deps, pick(endpoints)),
    () => resume('paused'),
    () => resume('disabled'),
    () => withDelivery((id) => replayDelivery(deps, id)),
    () => withDelivery((id) => replayDelivery(deps, id)),
    () => (events.length > 0 ? replayEvent(deps, pick(events), pick(endpoints)) : accept()),
    () => withDelivery((id) => cancelDelivery(pool, id)),
    () => cancelMatchingDeliveries(pool, { customerId, type: 'b.x', endpointId: pick(endpoints) }),
    () =>
      withDelivery((id) =>
        pool.query("UPDATE delivery SET expires_at = now() - interval '1 s' WHERE id = $1", [id]),
      ),
    () => expireHeld(pool),
    () => reconciler.run(),
    keepLimit,
    startAnyReplay,
    changeReplay,
    () => replayRunner.run(signal),
    () => replayRunner.run(signal),
    () => forget(pick(endpoints)),
    () => (endpoints.length < 6 ? addEndpoint() : Promise.resolve()),
    // Never the first, so that there is something to replay to the end.
    () =>
      random() < 0.2 && endpoints.length > 1
        ? deleteEndpoint(pool, pick(endpoints.slice(1)))
        : Promise.resolve(),
  ];

  return {
    pick,
    operations,
    ledger: () => ledger.read({ customerId }),
    readReplays,
    /** Deliveries that ended as something else although the endpoint has had the event. */
    async undelivered() {
      const { rows } = await pool.query<{ id: string; status: string }>(
        `SELECT d.id, d.status FROM delivery d
          WHERE d.customer_id = $1 AND d.status IN ('dead_lettered', 'cancelled')
            AND EXISTS (SELECT FROM attempt a WHERE a.delivery_id = d.id AND a.response_code = 200)`,
        [customerId],
      );
      return rows;
    },
    /** Nothing new; every endpoint takes again; the passes do their work until nothing is unfinished. */
    async settle() {
      receiver.respondWith(() => ({ status: pick([200, 500]) }));
      for (const id of endpoints) {
        await resumeEndpoint(deps, id, { from: 'paused', held: 'release' });
        await resumeEndpoint(deps, id, { from: 'disabled', held: 'release' });
        pipeline.endpoints.drop(id);
      }
      // A last replay, of what stays delivered however it goes; the one before is cut short.
      const [newest] = await readReplays();
      if (newest) await replays.cancel(newest.id);
      await startReplay({ status: 'delivered', endpointId: null, type: null });
      const lastRunner = createReplayRunner(deps);
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        await reconciler.run();
        await keepLimit();
        await lastRunner.run(signal);
        const { rows } = await pool.query<Omit<DeliveryJob, 'delayMs'>>(
          `SELECT customer_id AS "customerId", endpoint_id AS "endpointId", id AS "deliveryId", event_id AS "eventId", generation
             FROM delivery WHERE customer_id = $1 AND status = 'pending'`,
          [customerId],
        );
        await Promise.all(rows.map((job) => pipeline.handle(job, signal)));
        const { pending, held } = await ledger.read({ customerId });
        if (pending + held > 0) continue;
        const underway = (await readReplays()).some(({ state }) => state === 'running');
        if (!underway) return;
      }
    },
  };
}

/** mulberry32: the same run for the same seed, as far as what runs at once allows. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryJob } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';

import { cancelMatchingDeliveries } from '../cancel/cancel-delivery.js';
import { deleteEndpoint } from '../cancel/delete-endpoint.sql.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import { addFinished } from '../test-support/add-finished.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import type { ReplayFilter } from './find-deliveries-to-replay.sql.js';
import { openReplayPage } from './open-replay-page.sql.js';
import { replayDelivery } from './replay-delivery.js';
import { createReplayRunner, type ReplayRunner } from './replay-many.js';
import { createReplayStore, type Replay, type ReplayStore } from './replay-store.sql.js';

const UNFINISHED_MAX = 5;
const logger = createLogger({ level: 'error', role: 'test' });
const { signal } = new AbortController();

let pipeline: OpenPipeline;
let receiver: Receiver;
let replays: ReplayStore;
let customers = 0;

beforeAll(async () => {
  pipeline = await openPipeline();
  receiver = await startReceiver();
  replays = createReplayStore({ ...pipeline.database, holdLimitMs: holdLimitMs(30) });
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});
beforeEach(() => receiver.respondWith(() => ({ status: 200 })));

/** A customer with endpoints that give up after one attempt, and a worker's part of its replays. */
async function openWorld(endpointCount = 1) {
  const customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
  const retryPolicy = { delaysSeconds: [0], maxAttempts: 1, jitter: 0 };
  const endpointIds: string[] = [];
  for (let n = 0; n < endpointCount; n += 1) {
    endpointIds.push((await pipeline.addEndpoint(customerId, { url: receiver.url, retryPolicy })).id);
  }
  const jobs: DeliveryJob[] = [];
  const queue = {
    enqueue: (added: readonly DeliveryJob[]) => {
      jobs.push(...added);
      return Promise.resolve();
    },
  };
  const { pool } = pipeline.database;
  const deps = { pool, queue, logger, holdLimitMs: holdLimitMs(30) };
  const runner = createReplayRunner({ ...deps, unfinishedMax: UNFINISHED_MAX });
  return { customerId, endpointIds, endpointId: endpointIds[0]!, jobs, deps, runner };
}

async function start(
  { customerId }: { customerId: string },
  filter: Partial<ReplayFilter> = {},
): Promise<Replay> {
  const outcome = await pipeline.database.prisma.$transaction((tx) =>
    replays.create(tx, { ...everythingOf(customerId), ...filter }),
  );
  if (outcome.kind !== 'created') throw new Error(outcome.kind);
  return outcome.replay;
}

function everythingOf(customerId: string): ReplayFilter {
  return { customerId, status: 'dead_lettered', endpointId: null, type: null, since: null, until: null };
}

async function read({ id }: { id: string }): Promise<Replay> {
  const replay = await replays.get(id);
  if (!replay) throw new Error('The replay is gone');
  return replay;
}

/** Passes and sends until the replay has come to its end; at each step its counts must agree. */
async function finish(replay: Replay, { runner, jobs }: { runner: ReplayRunner; jobs: DeliveryJob[] }) {
  for (let round = 0; round < 200; round += 1) {
    await runner.run(signal);
    await Promise.all(jobs.splice(0).map((job) => pipeline.handle(job, signal)));
    const now = await read(replay);
    expect(now.done + now.failed).toBeLessThanOrEqual(now.matched);
    if (now.state === 'completed') return now;
  }
  throw new Error(`It does not end: ${JSON.stringify(await read(replay))}`);
}

async function deliveriesOf(ids: readonly string[]) {
  const { rows } = await pipeline.database.pool.query<{
    id: string;
    status: string;
    reason: string | null;
    generation: number;
    attempts: number;
    triggers: string[] | null;
  }>(
    `SELECT id, status, reason, generation, attempts,
            (SELECT array_agg(a.trigger ORDER BY a.number) FROM attempt a WHERE a.delivery_id = d.id) AS triggers
       FROM delivery d WHERE id = ANY ($1) ORDER BY id`,
    [ids],
  );
  return rows;
}

async function openedOf(ids: readonly string[]): Promise<number> {
  return (await deliveriesOf(ids)).filter(({ generation }) => generation > 1).length;
}

describe('a bulk replay', () => {
  it('sends what matches once, also what fails again, and counts it; nothing else is touched', async () => {
    const world = await openWorld(2);
    const { pool } = pipeline.database;
    const { customerId, endpointIds, endpointId } = world;
    const other = await openWorld();
    const ids = [
      ...(await addFinished(pool, { customerId, endpointId, count: 12 })),
      ...(await addFinished(pool, { customerId, endpointId: endpointIds[1]!, count: 3 })),
    ];
    const untouched = [
      ...(await addFinished(pool, { customerId, endpointId, count: 2, type: 'invoice.sent' })),
      ...(await addFinished(pool, { customerId, endpointId, count: 2, status: 'delivered' })),
      ...(await addFinished(pool, { customerId, endpointId, count: 2, status: 'cancelled' })),
      ...(await addFinished(pool, {
        customerId,
        endpointId,
        count: 2,
        acceptedAtMs: Date.now() - 3_600_000,
      })),
      ...(await addFinished(pool, { ...other, count: 2 })),
    ];
    const since = new Date(Date.now() - 600_000);
    const replay = await start(world, { type: 'invoice.paid', since });
    expect(replay).toMatchObject({ matched: 15, done: 0, failed: 0, state: 'running' });
    // Finished after it was made, though of an event from before.
    untouched.push(
      ...(await addFinished(pool, { customerId, endpointId, count: 2, finishedAtMs: Date.now() + 1_000 })),
    );
    receiver.respondWith(({ number }) => ({ status: number % 3 === 0 ? 500 : 200 }));

    const end = await finish(replay, world);
    const rows = await deliveriesOf(ids);
    const delivered = rows.filter(({ status }) => status === 'delivered').length;
    expect(delivered).toBeLessThan(15);
    expect(end).toMatchObject({ matched: 15, done: delivered, failed: 15 - delivered });
    expect(end.finishedAt).toBeInstanceOf(Date);
    for (const row of rows) expect(row).toMatchObject({ generation: 2, attempts: 2, triggers: ['replay'] });
    expect(await openedOf(untouched)).toBe(0);
  });

  it('has at most its share of unfinished ones at an endpoint, and one that hangs keeps no other waiting', async () => {
    const world = await openWorld(2);
    const { customerId, endpointIds } = world;
    const [hanging = '', swift = ''] = endpointIds;
    const { pool } = pipeline.database;
    const stuck = await addFinished(pool, { customerId, endpointId: hanging, count: 20 });
    const quick = await addFinished(pool, { customerId, endpointId: swift, count: 20 });
    const replay = await start(world);
    for (let pass = 0; pass < 8; pass += 1) {
      await world.runner.run(signal);
      const sent = world.jobs.filter(({ endpointId }) => endpointId === swift);
      expect(sent.length).toBeLessThanOrEqual(UNFINISHED_MAX);
      for (const job of sent) world.jobs.splice(world.jobs.indexOf(job), 1);
      await Promise.all(sent.map((job) => pipeline.handle(job, signal)));
      expect(await openedOf(stuck)).toBe(UNFINISHED_MAX);
    }
    expect(await openedOf(quick)).toBe(20);
    expect(await read(replay)).toMatchObject({ done: 20, failed: 0, matched: 40, state: 'running' });
    expect(await finish(replay, world)).toMatchObject({ done: 40 });
  });

  it('opens every delivery once however many workers run it at the same time', async () => {
    const world = await openWorld(3);
    const ids: string[] = [];
    for (const endpointId of world.endpointIds) {
      ids.push(...(await addFinished(pipeline.database.pool, { ...world, endpointId, count: 30 })));
    }
    receiver.respondWith(({ number }) => ({ status: number % 2 === 0 ? 500 : 200 }));
    const replay = await start(world);
    const options = {
      deliveryLifetimeMs: () => 3_600_000,
      holdLimitMs: holdLimitMs(30),
      unfinishedMax: UNFINISHED_MAX,
    };
    const openPage = async (endpointId: string) => {
      const opened = await openReplayPage(pipeline.database.pool, replay.id, endpointId, options);
      await world.deps.queue.enqueue(opened);
    };
    const runner = {
      run: async () => {
        const pages = Array.from({ length: 6 }, () => world.endpointIds.map(openPage)).flat();
        await Promise.all([...pages, ...Array.from({ length: 3 }, () => world.runner.run(signal))]);
        const { rows } = await pipeline.database.pool.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM delivery WHERE id = ANY ($1) AND status = 'pending' GROUP BY endpoint_id`,
          [ids],
        );
        for (const { n } of rows) expect(n).toBeLessThanOrEqual(UNFINISHED_MAX);
      },
    };
    const end = await finish(replay, { ...world, runner });
    for (const row of await deliveriesOf(ids)) expect(row).toMatchObject({ generation: 2, attempts: 2 });
    expect(end.done + end.failed).toBe(90);
  });

  it('opens nothing while it is paused but goes on counting, goes on when resumed, and stops for good when cancelled', async () => {
    const world = await openWorld();
    const ids = await addFinished(pipeline.database.pool, { ...world, count: 20 });
    const replay = await start(world);
    await world.runner.run(signal);
    expect(await replays.pause(replay.id)).toEqual({ kind: 'done' });
    expect(await replays.pause(replay.id)).toEqual({ kind: 'done' });
    await Promise.all(world.jobs.splice(0).map((job) => pipeline.handle(job, signal)));
    expect(await read(replay)).toMatchObject({ state: 'paused', done: 5 });
    await world.runner.run(signal);
    expect(await openedOf(ids)).toBe(5);
    // Counted by now: what happens to one later changes nothing.
    await replayDelivery(world.deps, ids[0]!);
    expect(await read(replay)).toMatchObject({ state: 'paused', done: 5, failed: 0 });

    expect(await replays.resume(replay.id)).toEqual({ kind: 'done' });
    await world.runner.run(signal);
    expect(await openedOf(ids)).toBe(10);
    await pipeline.handle(
      world.jobs.find(({ deliveryId }) => deliveryId === ids[5])!,
      signal,
    );
    expect(await replays.cancel(replay.id)).toEqual({ kind: 'done' });
    expect(await read(replay)).toMatchObject({ state: 'cancelled', matched: 20, done: 6, failed: 0 });
    await Promise.all(world.jobs.splice(0).map((job) => pipeline.handle(job, signal)));
    await world.runner.run(signal);
    expect(await openedOf(ids)).toBe(10);
    expect(await read(replay)).toMatchObject({ state: 'cancelled', matched: 20, done: 6, failed: 0 });
    expect(await replays.resume(replay.id)).toEqual({ kind: 'refused', state: 'cancelled' });
    expect(await replays.cancel(replay.id)).toEqual({ kind: 'done' });

    const next = await start(world);
    expect(next.matched).toBe(10);
    expect(await finish(next, world)).toMatchObject({ done: 10 });
    expect(await replays.cancel(next.id)).toEqual({ kind: 'refused', state: 'completed' });
  });

  it('waits for an endpoint that is paused, and counts what was held and then cancelled as failed', async () => {
    const world = await openWorld();
    const { pool } = pipeline.database;
    const ids = await addFinished(pool, { ...world, count: 12 });
    const replay = await start(world);
    await world.runner.run(signal);
    world.jobs.length = 0;
    await pauseEndpoint(world.deps, world.endpointId);
    await world.runner.run(signal);
    expect(await openedOf(ids)).toBe(UNFINISHED_MAX);
    expect(await read(replay)).toMatchObject({ state: 'running', done: 0, failed: 0 });
    await resumeEndpoint(world.deps, world.endpointId, { from: 'paused', held: 'cancel' });
    pipeline.endpoints.drop(world.endpointId);
    expect(await finish(replay, world)).toMatchObject({ matched: 12, done: 7, failed: 5 });
  });

  it('ends where its endpoint is deleted: what was not sent has failed', async () => {
    const world = await openWorld(2);
    const { pool } = pipeline.database;
    const ids = await addFinished(pool, { ...world, count: 12 });
    await addFinished(pool, { ...world, endpointId: world.endpointIds[1]!, count: 3 });
    const replay = await start(world);
    await world.runner.run(signal);
    const sent = world.jobs.splice(0);
    await Promise.all(sent.slice(0, 2).map((job) => pipeline.handle(job, signal)));
    await deleteEndpoint(pool, world.endpointId);
    world.jobs.push(...sent.slice(2));
    pipeline.endpoints.drop(world.endpointId);
    const end = await finish(replay, world);
    expect(end.matched).toBe(15);
    expect(end.done + end.failed).toBe(15);
    expect(end.failed).toBeGreaterThanOrEqual(7);
    expect(await openedOf(ids)).toBe(UNFINISHED_MAX);
    expect(await start(world)).toMatchObject({ matched: 0 });
  });

  it('leaves alone what someone else replayed before its turn, and does not wait for it', async () => {
    const world = await openWorld();
    const ids = await addFinished(pipeline.database.pool, { ...world, count: 9 });
    const replay = await start(world);
    const other = ids.at(-1)!;
    expect(await replayDelivery(world.deps, other)).toBe('opened');
    await Promise.all(world.jobs.splice(0).map((job) => pipeline.handle(job, signal)));
    expect(await finish(replay, world)).toMatchObject({ matched: 8, done: 8, failed: 0 });
    expect(await deliveriesOf([other])).toMatchObject([{ generation: 2, attempts: 2 }]);
  });

  it('replays nothing too old to be sent: it does not match, or has failed when its turn comes', async () => {
    const world = await openWorld();
    const { pool } = pipeline.database;
    await addFinished(pool, { ...world, count: 3 });
    const brief = createReplayStore({ ...pipeline.database, holdLimitMs: 30_000 });
    expect(await brief.count(everythingOf(world.customerId))).toMatchObject({ matched: 0 });
    const replay = await start(world);
    const runner = createReplayRunner({ ...world.deps, holdLimitMs: 30_000 });
    expect(await finish(replay, { ...world, runner })).toMatchObject({ matched: 3, done: 0, failed: 3 });
  });

  it('keeps delivered what was delivered before, and says that its replay failed', async () => {
    const world = await openWorld();
    const ids = await addFinished(pipeline.database.pool, { ...world, count: 4, status: 'delivered' });
    receiver.respondWith(() => ({ status: 500 }));
    const end = await finish(await start(world, { status: 'delivered' }), world);
    expect(end).toMatchObject({ matched: 4, done: 0, failed: 4 });
    for (const row of await deliveriesOf(ids)) {
      expect(row).toMatchObject({ status: 'delivered', reason: null, generation: 2 });
    }
  });

  it('counts as failed what had been delivered before and is cancelled without an attempt', async () => {
    const world = await openWorld();
    const { pool } = pipeline.database;
    await addFinished(pool, { ...world, count: 3, status: 'delivered' });
    const replay = await start(world, { status: 'delivered' });
    await world.runner.run(signal);
    await cancelMatchingDeliveries(pool, { customerId: world.customerId });
    expect(await finish(replay, world)).toMatchObject({ matched: 3, done: 0, failed: 3 });
  });

  it('counts what was committed behind its count, so that nothing remains less than nothing', async () => {
    const world = await openWorld();
    const { pool } = pipeline.database;
    await addFinished(pool, { ...world, count: 2 });
    const replay = await start(world);
    await addFinished(pool, { ...world, count: 2 });
    expect(await finish(replay, world)).toMatchObject({ matched: 4, done: 4, failed: 0 });
  });

  it('goes with its customer, also while it runs', async () => {
    const world = await openWorld();
    const { pool } = pipeline.database;
    await addFinished(pool, { ...world, count: 40 });
    const replay = await start(world);
    await world.runner.run(signal);
    const passes = Promise.all(Array.from({ length: 10 }, () => world.runner.run(signal)));
    expect(await pipeline.erase(world.customerId)).toMatchObject({
      receipt: { removed: { deliveries: 40, replays: 1 } },
    });
    await passes;
    await world.runner.run(signal);
    expect(await replays.get(replay.id)).toBeNull();
    for (const table of ['replay', 'replay_lane', 'replay_delivery']) {
      const column = table === 'replay' ? 'id' : 'replay_id';
      const { rowCount } = await pool.query(`SELECT FROM ${table} WHERE ${column} = $1`, [replay.id]);
      expect(rowCount).toBe(0);
    }
  });

  it('is the only one of its customer that is underway, and says when there is too much to count', async () => {
    const world = await openWorld();
    const { pool, prisma } = pipeline.database;
    await addFinished(pool, { ...world, count: 3 });
    const asked = everythingOf(world.customerId);
    const small = createReplayStore({ ...pipeline.database, holdLimitMs: holdLimitMs(30), readMax: 2 });
    expect(await small.count(asked)).toMatchObject({ more: true });
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => prisma.$transaction((tx) => replays.create(tx, asked))),
    );
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual([
      'created',
      ...Array<string>(4).fill('in_progress'),
    ]);
    const query = { customerId: world.customerId, limit: 2, before: null };
    const { items } = await replays.list({ ...query, state: 'running' });
    await replays.cancel(items[0]!.id);
    expect(await prisma.$transaction((tx) => small.create(tx, asked))).toEqual({ kind: 'too_many' });
    expect((await replays.list({ ...query, state: null })).items).toMatchObject([{ state: 'cancelled' }]);
  });
});

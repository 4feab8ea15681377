import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ensurePartitions } from '@posthorn/database';
import { HEALTHY, type EndpointHealth } from '@posthorn/domain';
import { createQueueProducer, type QueueProducer } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';

import { expireParked } from '../hold/expire-deliveries.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { loadEndpointHealth, saveEndpointHealth, type StoredEndpointHealth } from './endpoint-health.sql.js';
import { createEndpointHealthStore } from './store-endpoint-health.js';
import { createEndpointRecovery, type RecoveryQueue } from './recover-endpoint.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let pipeline: OpenPipeline;
let redis: TestRedis;
let queue: QueueProducer;
let endpointId: string;
const logger = createLogger({ level: 'error', role: 'test' });
const never = new AbortController().signal;

beforeAll(async () => {
  pipeline = await openPipeline();
  for (let day = 20; day >= 0; day -= 10)
    await ensurePartitions(pipeline.database.pool, { nowMs: Date.now() - day * DAY_MS });
  redis = testRedis();
  queue = createQueueProducer({
    redisUrl: redis.url,
    prefix: redis.prefix,
    logger,
    commandTimeoutMs: 30_000,
  });
  await waitUntil(() => queue.status() === 'ready');
}, 60_000);
afterAll(async () => {
  await queue.close();
  await redis.drop();
  await pipeline.close();
}, 60_000);
beforeEach(async () => {
  await query('TRUNCATE delivery, delivery_end, attempt, event, customer CASCADE');
  await pipeline.addCustomer('acme');
  ({ id: endpointId } = await pipeline.addEndpoint('acme', { url: 'http://127.0.0.1:9/' }));
});

const query = (text: string, values: unknown[] = []) => pipeline.database.pool.query(text, values);

/** Pending deliveries of the endpoint, spread over days past; due in so many ms. */
async function addPending(count: number, dueInMs: number, expiresInMs = DAY_MS): Promise<void> {
  await query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, waiting_for, created_at, expires_at)
     SELECT delivery_id(event_id, $1), event_id, $1, 'acme', 'invoice.paid', 'pending',
            now() + $3 * interval '1 ms', 'retry', now(), now() + $4 * interval '1 ms'
       FROM (SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - (n % 15) * 86400000), 12, '0') || '7000'
                     || '8000' || lpad(to_hex(n), 12, '0'))::uuid AS event_id
               FROM generate_series(1, $2::int) AS n) AS made`,
    [endpointId, count, dueInMs, expiresInMs],
  );
}
async function pendingJobs() {
  const { rows } = await query(
    `SELECT id AS "deliveryId", event_id AS "eventId", endpoint_id AS "endpointId", customer_id AS "customerId", generation
       FROM delivery WHERE status = 'pending'`,
  );
  return rows as Parameters<QueueProducer['enqueue']>[0][number][];
}
async function countDue(): Promise<number> {
  const { rows } = await pipeline.database.pool.query<{ count: number }>(
    'SELECT count(*)::int FROM delivery WHERE next_attempt_at <= now()',
  );
  return rows[0]?.count ?? 0;
}
const kept = async () => (await loadEndpointHealth(pipeline.database.pool, [endpointId])).get(endpointId);
const waits = (count: number) => async () =>
  (await queue.waiting({ customerId: 'acme', endpointId })) === count;
const saveDraining = () =>
  saveEndpointHealth(pipeline.database.pool, [
    { endpointId, epoch: 0, health: { ...HEALTHY, draining: true } },
  ]);
/** As if its owner had been gone for a minute. */
const leave = () => query("UPDATE endpoint_health SET updated_at = now() - interval '1 minute'");
async function beatAtMs(): Promise<number> {
  const { rows } = await pipeline.database.pool.query<{ at: Date }>(
    'SELECT updated_at AS at FROM endpoint_health WHERE endpoint_id = $1',
    [endpointId],
  );
  return rows[0]?.at.getTime() ?? 0;
}
/** Whenever it is looked at everything has been taken. */
const laneThatIsWorkedOff: RecoveryQueue = {
  makeDueNow: (jobs) => queue.makeDueNow(jobs),
  waiting: () => Promise.resolve(0),
};

describe('a recovered endpoint', () => {
  it('gets what waits for a retry time at once, a few dozen at a time, under the generation it has', async () => {
    await addPending(130, HOUR_MS);
    const jobs = await pendingJobs();
    // All but some are where a retry puts them; the queue has never heard of the others.
    await queue.enqueue(jobs.slice(10).map((job) => ({ ...job, delayMs: HOUR_MS })));
    const { pool } = pipeline.database;
    const mostWaiting: number[] = [];
    const recovery = createEndpointRecovery({
      pool,
      logger,
      queue: {
        makeDueNow: (some) => queue.makeDueNow(some),
        // As a lane that has taken everything by the time it is looked at.
        waiting: async (endpoint) => {
          mostWaiting.push(await queue.waiting(endpoint));
          return 0;
        },
      },
    });
    await recovery.drain({ customerId: 'acme', endpointId }, never);
    expect(mostWaiting).toEqual([50, 100]);
    expect(await countDue()).toBe(130);
    expect(await queue.waiting({ customerId: 'acme', endpointId })).toBe(130);
    expect(await queue.jobStates(jobs)).toEqual({ missing: [], delayed: [] });
  });

  it('is found behind a long backlog that is due already, a bounded part of which is looked at a time', async () => {
    await addPending(600, -HOUR_MS);
    await query(
      "UPDATE delivery SET next_attempt_at = now() + interval '1 hour' WHERE id = (SELECT id FROM delivery ORDER BY id DESC LIMIT 1)",
    );
    const recovery = createEndpointRecovery({ pool: pipeline.database.pool, queue, logger });
    await recovery.drain({ customerId: 'acme', endpointId }, never);
    expect(await countDue()).toBe(600);
    expect(await queue.waiting({ customerId: 'acme', endpointId })).toBe(1);
  });

  it('waits with the next page until its lane is nearly empty, and stops when it fails again', async () => {
    await addPending(130, HOUR_MS);
    const recovery = createEndpointRecovery({ pool: pipeline.database.pool, queue, logger });
    const failsAgain = new AbortController();
    const draining = recovery.drain({ customerId: 'acme', endpointId }, failsAgain.signal);
    await waitUntil(waits(50));
    failsAgain.abort();
    await expect(draining).rejects.toThrow();
    expect(await countDue()).toBe(50);
  });

  it('is its owner’s while its lane stands still, however long: nobody brings more', async () => {
    await addPending(130, HOUR_MS);
    await saveDraining();
    const leftAfterMs = 300;
    const open = () => createEndpointRecovery({ pool: pipeline.database.pool, queue, logger, leftAfterMs });
    const failsAgain = new AbortController();
    const draining = open().drain({ customerId: 'acme', endpointId }, failsAgain.signal);
    await waitUntil(waits(50));
    const sinceMs = await beatAtMs();
    await waitUntil(async () => (await beatAtMs()) > sinceMs + 2 * leftAfterMs);
    await Promise.all([open().resumeAbandoned(), open().resumeAbandoned()]);
    expect(await countDue()).toBe(50);
    failsAgain.abort();
    await expect(draining).rejects.toThrow();
  });

  it('is gone on with when its owner has left it, and not while the owner is at it', async () => {
    await addPending(60, HOUR_MS);
    const { pool } = pipeline.database;
    const recovery = createEndpointRecovery({ pool, logger, queue: laneThatIsWorkedOff });
    await saveDraining();
    await recovery.resumeAbandoned();
    expect(await countDue()).toBe(0);
    await leave();
    await recovery.resumeAbandoned();
    expect(await countDue()).toBe(50);
    await leave();
    await recovery.resumeAbandoned();
    await leave();
    await recovery.resumeAbandoned();
    expect(await countDue()).toBe(60);
    expect((await kept())?.health.draining).toBe(false);
  });

  it('gets nothing more from whoever takes it up while its lane is not nearly empty', async () => {
    await addPending(130, HOUR_MS);
    await saveDraining();
    const open = () => createEndpointRecovery({ pool: pipeline.database.pool, queue, logger });
    const workers = [open(), open()];
    for (let round = 0; round < 3; round++) {
      await leave();
      await Promise.all(workers.map((worker) => worker.resumeAbandoned()));
    }
    expect(await queue.waiting({ customerId: 'acme', endpointId })).toBe(50);
    expect(await countDue()).toBe(50);
    expect((await kept())?.health.draining).toBe(true);
  });

  it('is looked at less and less often while its lane stands still, and often again once it moves', async () => {
    await addPending(60, HOUR_MS);
    const lookedAtMs: number[] = [];
    const waiting = [50, 50, 50, 50, 50, 40, 30, 20];
    const recovery = createEndpointRecovery({
      pool: pipeline.database.pool,
      logger,
      queue: {
        ...laneThatIsWorkedOff,
        waiting: () => {
          lookedAtMs.push(performance.now());
          return Promise.resolve(waiting[lookedAtMs.length - 1] ?? 0);
        },
      },
    });
    await recovery.drain({ customerId: 'acme', endpointId }, never);
    expect(lookedAtMs).toHaveLength(waiting.length);
    const pauses = lookedAtMs.slice(1).map((atMs, n) => atMs - lookedAtMs[n]!);
    for (const [n, leastMs] of [45, 95, 195, 395, 795].entries()) {
      expect(pauses[n]).toBeGreaterThanOrEqual(leastMs);
    }
    expect(Math.min(...pauses.slice(5))).toBeLessThan(400);
  });

  it('is taken up by one of those who come at once', async () => {
    await addPending(130, HOUR_MS);
    await saveDraining();
    await leave();
    const { pool } = pipeline.database;
    let looks = 0;
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const slow = createEndpointRecovery({
      pool,
      logger,
      queue: {
        ...laneThatIsWorkedOff,
        waiting: async () => {
          looks++;
          await held;
          return 0;
        },
      },
    });
    const resuming = slow.resumeAbandoned();
    await waitUntil(() => looks === 1);
    await createEndpointRecovery({ pool, logger, queue: laneThatIsWorkedOff }).resumeAbandoned();
    expect(await countDue()).toBe(0);
    goOn();
    await resuming;
    expect(await countDue()).toBe(50);
  });
});

describe('kept health', () => {
  const bad: StoredEndpointHealth['health'] = {
    openUntilMs: 1_800_000_000_000,
    openings: 3,
    pausedUntilMs: 1_800_000_001_000,
    draining: false,
    score: 12.5,
  };
  const openStore = () => createEndpointHealthStore({ pool: pipeline.database.pool, logger });

  it('is there for the next owner once the breaker has opened, the newest of it', async () => {
    const keeper = openStore();
    expect(await keeper.load(endpointId)).toBeNull();
    keeper.note({ endpointId, epoch: 0, health: HEALTHY }, false);
    keeper.note({ endpointId, epoch: 0, health: bad }, true);
    await waitUntil(async () => (await kept())?.health.openings === 3);
    expect(await openStore().load(endpointId)).toEqual({ endpointId, epoch: 0, health: bad });
    await keeper.close();
  });

  it('is written when the process ends, also a score alone', async () => {
    const keeper = openStore();
    keeper.note({ endpointId, epoch: 0, health: { ...HEALTHY, score: 95 } }, false);
    expect(await kept()).toBeUndefined();
    await keeper.close();
    expect((await kept())?.health.score).toBe(95);
  });

  it.each([
    ['a changed URL', "UPDATE endpoint SET url = 'https://other.example/'", true],
    ['a pause', "UPDATE endpoint SET status = 'paused'", true],
    ['another limit', 'UPDATE endpoint SET max_in_flight = 3', false],
    ['the same URL', 'UPDATE endpoint SET url = url', false],
  ])('after %s', async (_, change, fresh) => {
    const { pool } = pipeline.database;
    await saveEndpointHealth(pool, [{ endpointId, epoch: 0, health: bad }]);
    await query(change);
    expect((await kept()) === undefined).toBe(fresh);
    // What its owner saw before the change, and writes after it.
    await saveEndpointHealth(pool, [{ endpointId, epoch: 0, health: { ...bad, openings: 9 } }]);
    expect((await kept())?.health.openings).toBe(fresh ? undefined : 9);
  });

  it('is not kept of an endpoint that is gone, and keeps nobody else’s from being written', async () => {
    const { pool } = pipeline.database;
    const gone = '019a0000-0000-7000-8000-00000000dead';
    await saveEndpointHealth(pool, [
      { endpointId: gone, epoch: 0, health: bad },
      { endpointId, epoch: 0, health: bad },
    ]);
    expect(await kept()).toBeDefined();
  });
});

describe('deliveries that nobody came to attempt', () => {
  it('end as expired dead letters, and one that was delivered before as delivered', async () => {
    await addPending(1_200, -2 * HOUR_MS, -HOUR_MS);
    await query(
      `UPDATE delivery SET delivered_at = now() - interval '1 day'
        WHERE id = (SELECT id FROM delivery ORDER BY id DESC LIMIT 1)`,
    );
    const { pool } = pipeline.database;
    expect(await expireParked(pool, { nowMs: Date.now(), graceMs: 60_000 })).toBe(1_200);
    const { rows } = await query(
      `SELECT status, reason, count(*)::int FROM delivery GROUP BY 1, 2 ORDER BY 1`,
    );
    expect(rows).toEqual([
      { status: 'dead_lettered', reason: 'expired', count: 1_199 },
      { status: 'delivered', reason: null, count: 1 },
    ]);
  });

  it('are left alone while their time lasts, and a little longer than it', async () => {
    const { pool } = pipeline.database;
    const expire = () => expireParked(pool, { nowMs: Date.now(), graceMs: 60_000 });
    await addPending(30, -HOUR_MS, HOUR_MS);
    expect(await expire()).toBe(0);
    await query("UPDATE delivery SET expires_at = now() - interval '30 seconds'");
    expect(await expire()).toBe(0);
    await query("UPDATE delivery SET expires_at = now() - interval '30 minutes'");
    expect(await expire()).toBe(30);
  });

  it.each<[string, Partial<EndpointHealth> | null, string | null, string]>([
    ['an open breaker', { openUntilMs: Date.now() + HOUR_MS, openings: 1 }, null, 'expired_by_breaker'],
    ['a half-open breaker', { openUntilMs: Date.now() - HOUR_MS, openings: 1 }, null, 'expired_by_breaker'],
    ['a recovery that still runs', { draining: true }, null, 'expired_by_breaker'],
    ['a pause that it asked for', { pausedUntilMs: Date.now() + HOUR_MS }, null, 'expired_by_rate_limit'],
    ['a pause that is over', { pausedUntilMs: Date.now() - HOUR_MS }, null, 'expired'],
    ['its rate limit', null, 'endpoint', 'expired_by_rate_limit'],
    ['the rate limit of its customer', null, 'customer', 'expired_by_rate_limit'],
    ['neither', null, null, 'expired'],
  ])('say by what their time was used up: %s', async (_, health, limited, reason) => {
    const { pool } = pipeline.database;
    await addPending(3, -2 * HOUR_MS, -HOUR_MS);
    if (health) await saveEndpointHealth(pool, [{ endpointId, epoch: 0, health: { ...HEALTHY, ...health } }]);
    if (limited) await query(`UPDATE ${limited} SET rate_limit_max = 1, rate_limit_per_seconds = 60`);
    await expireParked(pool, { nowMs: Date.now(), graceMs: 60_000 });
    const { rows } = await query('SELECT DISTINCT status, reason FROM delivery');
    expect(rows).toEqual([{ status: 'dead_lettered', reason }]);
    const { rows: ends } = await query('SELECT DISTINCT reason FROM delivery_end');
    expect(ends).toEqual([{ reason }]);
  });
});

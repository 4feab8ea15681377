import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPrismaAdapter, PrismaClient, ensurePartitions, inTransaction } from '@posthorn/database';
import { countRowsRead, createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { createHash } from 'node:crypto';
import pg from 'pg';

import { findFirstEvents } from '../accept/find-first-events.sql.js';
import { insertEvents, type EventToInsert } from '../accept/insert-events.sql.js';
import { findOneShots } from '../attempt/find-one-shots.sql.js';
import { loadDeliveries } from '../attempt/load-deliveries.sql.js';
import { countUnfinishedDeliveries } from '../cancel/find-unfinished-deliveries.sql.js';
import { makeDueNow } from '../endpoint-health/make-due-now.sql.js';
import { findExpiredParked } from '../hold/expire-parked-deliveries.sql.js';
import { openReplayPage } from '../replay/open-replay-page.sql.js';
import { createReplayStore } from '../replay/replay-store.sql.js';
import { reviewReplay } from '../replay/review-replay.sql.js';
import { closeDeliveries } from '../settle/close-deliveries.sql.js';
import { settleAttempts, type AttemptToSettle } from '../settle/settle-attempts.sql.js';
import { takeAttemptReader } from '../statistics/attempt-reader.sql.js';
import { rollUpAttempts } from '../statistics/roll-up-attempts.sql.js';
import { eventToInsert } from '../test-support/event-to-insert.js';

const DAY_MS = 86_400_000;
const DAYS = 20;
const PER_DAY = 1_500;
const ENDPOINT = '019a0000-0000-7000-8000-000000000001';
/** What `jit_above_cost` is by default. */
const COMPILED_ABOVE = 100_000;
/** After five executions Postgres may change to a plan that does not look at the values. */
const EXECUTIONS = 9;

let database: TestDatabase;
let pool: pg.Pool;
const byDay: EventToInsert[][] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  // One connection: its statements are prepared once, and its statistics are its own.
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
  for (let day = DAYS; day >= 0; day -= 10)
    await ensurePartitions(pool, { nowMs: Date.now() - day * DAY_MS });
  await pool.query("INSERT INTO customer (id, endpoints_version) VALUES ('acme', 0)");
  for (let day = 0; day < DAYS; day += 1) {
    const events = Array.from({ length: PER_DAY }, (_, index) =>
      eventAt(Date.now() - day * DAY_MS, keyHashOf(day * PER_DAY + index)),
    );
    for (let from = 0; from < PER_DAY; from += 500)
      await insertEvents(pool, events.slice(from, from + 500), DAY_MS);
    byDay.push(events);
  }
  await pool.query(
    "INSERT INTO one_shot (id, delivery_id, url, open_for_ms) SELECT id, id, 'https://a.example/', 1 FROM event",
  );
  await pool.query('ANALYZE');
}, 120_000);

afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('the hot statements over many partitions', () => {
  it('read about as many deliveries as they are asked for, however far apart, also with a generic plan', async () => {
    const read: Record<string, number[]> = {
      load: [],
      oneShots: [],
      settle: [],
      close: [],
      insert: [],
      findFirst: [],
    };
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const spread = byDay.map((events) => events[execution]!);
      read['load']!.push(
        await rowsRead(async () => {
          await loadDeliveries(
            pool,
            spread.map((event) => ({ deliveryId: event.deliveries[0]!.deliveryId, eventId: event.id })),
          );
        }),
      );
      read['oneShots']!.push(
        await rowsRead(async () => {
          expect(
            await findOneShots(
              pool,
              spread.map(({ id }) => id),
            ),
          ).toHaveProperty('size', DAYS);
        }),
      );
      read['settle']!.push(await rowsRead(() => settleAttempts(pool, spread.map(attemptOf))));
      const others = byDay.map((events) => events[events.length - 1 - execution]!);
      read['close']!.push(
        await rowsRead(() =>
          closeDeliveries(
            pool,
            others.map((event) => ({
              id: event.deliveries[0]!.deliveryId,
              generation: 1,
              status: 'cancelled',
              reason: 'test',
            })),
            DAY_MS,
          ),
        ),
      );
      const repeats = Array.from({ length: 20 }, (_, index) => keyHashOf(execution * 20 + index));
      read['insert']!.push(
        await rowsRead(() =>
          insertEvents(
            pool,
            repeats.map((keyHash) => eventAt(Date.now(), keyHash)),
            30 * DAY_MS,
          ),
        ),
      );
      read['findFirst']!.push(
        await rowsRead(() =>
          findFirstEvents(
            pool,
            repeats.map((keyHash) => ({ customerId: 'acme', keyHashes: [keyHash] })),
            {
              sinceMs: Date.now() - 30 * DAY_MS,
              untilMs: Date.now(),
            },
          ),
        ),
      );
    }
    // Twenty rows each, looked up at most a few times over; the days between them hold thirty thousand.
    for (const counts of Object.values(read)) expect(Math.max(...counts)).toBeLessThan(600);
  });

  it('keep one plan, made while the day was empty, and read no more by it when the day is full', async () => {
    // As on the connections kept for look-ups; see database.ts.
    await pool.query('SET random_page_cost = 0.1');
    // The day after tomorrow: nothing is there yet.
    const atMs = Date.now() + 2 * DAY_MS;
    const settled = async (events: EventToInsert[]) => {
      const wanted = events.map((event) => ({ deliveryId: event.deliveries[0]!.deliveryId }));
      expect((await loadDeliveries(pool, wanted)).map((delivery) => delivery?.attempts)).toEqual(
        events.map(() => 0),
      );
      expect(new Set(await settleAttempts(pool, events.map(attemptOf)))).toEqual(new Set(['settled']));
    };
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const event = eventAt(atMs, keyHashOf(1_000_000 + execution));
      await insertEvents(pool, [event], DAY_MS);
      await settled([event]);
    }
    const many = Array.from({ length: 3_000 }, (_, index) => eventAt(atMs, keyHashOf(2_000_000 + index)));
    for (let from = 0; from < many.length; from += 500)
      await insertEvents(pool, many.slice(from, from + 500), DAY_MS);
    expect(await rowsRead(() => settled(many.slice(0, 40)))).toBeLessThan(600);
    const day = new Date(atMs).toISOString().slice(0, 10).replaceAll('-', '');
    const { rows } = await pool.query<{ name: string; custom_plans: string }>(
      "SELECT name, custom_plans FROM pg_prepared_statements WHERE name LIKE '%' || $1",
      [day],
    );
    expect(rows.map(({ custom_plans }) => Number(custom_plans))).toEqual([5, 5]);
    await pool.query('RESET random_page_cost');
  });

  it('replay a page, and count what is underway, without reading more than that', async () => {
    const createdAt = new Date(Date.now() - 1);
    await pool.query(
      `UPDATE delivery SET status = 'dead_lettered', reason = 'test', next_attempt_at = NULL, waiting_for = NULL,
         finished_at = now() - interval '1 hour'
        WHERE id = ANY ($1)`,
      [byDay.flatMap((events) => events.slice(100, 110)).map(({ deliveries }) => deliveries[0]!.deliveryId)],
    );
    await pool.query(
      "INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, 'acme', 'x', '{*}')",
      [ENDPOINT],
    );
    const prisma = new PrismaClient({ adapter: createPrismaAdapter(pool, null) });
    const clock = { nowMs: () => createdAt.getTime() };
    const replays = createReplayStore({ pool, prisma, clock, holdLimitMs: 60 * DAY_MS });
    const everything = { endpointId: null, type: null, since: null, until: null };
    const filter = { ...everything, customerId: 'acme', status: 'dead_lettered' } as const;
    let id = '';
    const counted = await rowsRead(async () => {
      expect(await replays.count(filter)).toMatchObject({ matched: 10 * DAYS, more: false });
    });
    await prisma.$transaction(async (tx) => {
      const outcome = await replays.create(tx, filter);
      if (outcome.kind === 'created') id = outcome.replay.id;
    });
    // An index entry, its row, and what the first updates left behind in the index.
    expect(counted).toBeLessThan(10 * DAYS * 6);
    const page = { deliveryLifetimeMs: () => DAY_MS, holdLimitMs: 60 * DAY_MS, unfinishedMax: 20 };
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const read = {
        page: await rowsRead(async () => {
          expect(await openReplayPage(pool, id, ENDPOINT, page)).toHaveLength(20);
        }),
        progress: await rowsRead(async () => {
          expect(await replays.get(id)).toMatchObject({ matched: 10 * DAYS, done: 20 * execution });
        }),
      };
      const settle = `UPDATE delivery SET status = 'delivered', next_attempt_at = NULL, finished_at = now()
                       WHERE id IN (SELECT delivery_id FROM replay_delivery)`;
      await pool.query(settle);
      const review = await rowsRead(() => reviewReplay(pool, id, { unfinishedMax: 20, endpointsMax: 100 }));
      // Twenty rows, looked up a few times over, and what the updates before left in the indexes.
      expect(Math.max(...Object.values(read), review)).toBeLessThan(1_200);
    }
    await prisma.$disconnect();
  });

  it('count what a cancellation would cancel without reading more than that, however much there is beside it', async () => {
    const ids = byDay.map((events) => events[300]!.deliveries[0]!.deliveryId);
    await pool.query(
      `UPDATE delivery SET status = 'held', reason = 'test', next_attempt_at = NULL, waiting_for = NULL WHERE id = ANY ($1)`,
      [ids],
    );
    await pool.query(
      "INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, 'acme', 'x', '{*}') ON CONFLICT DO NOTHING",
      [ENDPOINT],
    );
    const day = byDay[7]!.map(({ acceptedAtMs }) => acceptedAtMs);
    const [sinceMs, untilMs] = [Math.min(...day), Math.max(...day) + 1];
    const acme = { customerId: 'acme' };
    const questions = [
      { filter: { ...acme, status: 'held' }, readMax: 1_000, is: { matched: DAYS, more: false } },
      {
        filter: { ...acme, status: 'held', sinceMs, untilMs },
        readMax: 1_000,
        is: { matched: 1, more: false },
      },
      { filter: { ...acme, status: 'held', type: 'other' }, readMax: 1_000, is: { matched: 0, more: false } },
      { filter: { customerId: 'nobody' }, readMax: 1_000, is: { matched: 0, more: false } },
      { filter: acme, readMax: 100, is: { matched: 100, more: true } },
      { filter: { ...acme, sinceMs, untilMs }, readMax: 100, is: { matched: 100, more: true } },
    ] as const;
    for (let execution = 0; execution < EXECUTIONS; execution += 1)
      for (const { filter, readMax, is } of questions) {
        const read = await rowsRead(async () => {
          expect(await countUnfinishedDeliveries(pool, filter, readMax)).toEqual(is);
        });
        // A row and its index entry each; thirty thousand are there.
        expect(read).toBeLessThan(600);
      }
  });

  it('read new attempts, however old their deliveries, and none of those that were read before', async () => {
    await pool.query(
      `INSERT INTO attempt (delivery_id, number, trigger, status, latency_ms, request_headers, started_at)
       SELECT id, 50, 'automatic', 'failed', 1, '{}', now() FROM delivery`,
    );
    await pool.query('ANALYZE');
    expect(await readAttempts()).toBeGreaterThan(DAYS * PER_DAY);
    const counts: number[] = [];
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const spread = byDay.map((events) => events[200 + execution]!);
      await settleAttempts(pool, spread.map(attemptOf));
      counts.push(
        await rowsRead(async () => {
          expect(await readAttempts()).toBe(DAYS);
        }),
      );
    }
    // An attempt, its delivery, and the row it is added to, by index each.
    expect(Math.max(...counts)).toBeLessThan(600);
  });

  it('look up the customers and endpoints they are about, however many have come since they were planned', async () => {
    // With plans of their own; one as those kept for accepting and for look-ups, one as all others.
    const accepting = new pg.Pool({
      connectionString: database.url,
      max: 1,
      options: '-c random_page_cost=0.1 -c plan_cache_mode=force_generic_plan',
    });
    const reading = new pg.Pool({ connectionString: database.url, max: 1 });
    try {
      // Adding an endpoint makes the fan-out stale.
      const resetVersions = () => pool.query('UPDATE customer SET endpoints_version = 0');
      const accept = async (events: EventToInsert[]) => {
        const outcomes = await insertEvents(accepting, events, DAY_MS);
        expect(new Set(outcomes)).toEqual(new Set(['accepted']));
        await settleAttempts(accepting, events.map(attemptOf));
      };
      const rollUp = async (count: number) => expect(await readAttempts(reading)).toBe(count);
      await resetVersions();
      for (let execution = 0; execution < EXECUTIONS; execution += 1) {
        await accept([eventAt(Date.now(), keyHashOf(3_000_000 + execution))]);
        await rollUp(1);
      }
      const { rows: owners } = await pool.query<{ customerId: string; endpointId: string }>(`
        WITH customers AS (
          INSERT INTO customer (id, endpoints_version) SELECT 'many-' || n, 0 FROM generate_series(1, 3000) AS n RETURNING id
        )
        INSERT INTO endpoint (id, customer_id, url, event_types) SELECT gen_random_uuid(), id, 'x', '{*}' FROM customers
        RETURNING customer_id AS "customerId", id AS "endpointId"`);
      const events = owners
        .slice(0, 100)
        .map((owner, index) => eventAt(Date.now(), keyHashOf(3_100_000 + index), owner));
      await resetVersions();
      await pool.query('SELECT pg_stat_force_next_flush()');
      // A hundred of each, looked up in a few tables, by index each.
      expect(await rowsRead(() => accept(events), accepting)).toBeLessThan(2_000);
      expect(await rowsRead(() => rollUp(events.length), reading)).toBeLessThan(2_000);
      const costs = [...(await keptPlanCosts(accepting)), ...(await keptPlanCosts(reading))];
      expect(costs.length).toBeGreaterThan(2);
      expect(Math.max(...costs)).toBeLessThan(COMPILED_ABOVE);
    } finally {
      await accepting.end();
      await reading.end();
    }
  });

  it('bring forward a page of an endpoint that has thousands waiting, and find nothing parked that has expired', async () => {
    const endpointId = byDay[0]![0]!.deliveries[0]!.endpointId;
    await pool.query(
      `UPDATE delivery SET next_attempt_at = now() + interval '1 hour', expires_at = now() + interval '9 days'
        WHERE status = 'pending'`,
    );
    // Until then the indexes have entries of the rows as they were.
    await pool.query('VACUUM ANALYZE delivery');
    let after = '00000000-0000-0000-0000-000000000000';
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const brought = await rowsRead(async () => {
        const page = await makeDueNow(pool, { endpointId, after, limit: 50 });
        expect(page.deliveries).toHaveLength(50);
        after = page.after!;
      });
      const expired = await rowsRead(async () => {
        const found = await findExpiredParked(pool, {
          after: { dueAt: new Date(0), id: '00000000-0000-0000-0000-000000000000' },
          expiredAt: new Date(),
          limit: 500,
        });
        expect(found).toEqual([]);
      });
      // The 250 rows of a page and the fifty that are moved; of what is due, each row and its index entry.
      expect(brought).toBeLessThan(1_200);
      expect(expired).toBeLessThan(300 + 100 * (execution + 1));
    }
  });
});

/** Of every statement that the pool's one connection has prepared, by the plan that serves for any values. */
async function keptPlanCosts(on: pg.Pool): Promise<number[]> {
  const { rows } = await on.query<{ explain: string }>(
    `SELECT format('EXPLAIN (FORMAT JSON) EXECUTE %I(%s)', name,
                   (SELECT string_agg('NULL', ',') FROM unnest(parameter_types))) AS explain
       FROM pg_prepared_statements WHERE array_length(parameter_types, 1) > 0`,
  );
  await on.query('SET plan_cache_mode = force_generic_plan');
  const costs: number[] = [];
  for (const { explain } of rows) {
    const { rows: plans } = await on.query<{ 'QUERY PLAN': [{ Plan: { 'Total Cost': number } }] }>(explain);
    costs.push(plans[0]!['QUERY PLAN'][0].Plan['Total Cost']);
  }
  return costs;
}

async function readAttempts(on = pool): Promise<number> {
  return inTransaction(on, async (client) => {
    const reader = (await takeAttemptReader(client, 0))!;
    return (await rollUpAttempts(client, reader, 0)).attempts;
  });
}

function rowsRead(work: () => Promise<unknown>, on = pool): Promise<number> {
  const tables = '^(delivery|event|idempotency|attempt|statistic|customer|endpoint)';
  const indexes = '^(delivery|idempotency|attempt|statistic|customer|endpoint)';
  return countRowsRead(on, { tables, indexes }, work);
}

function attemptOf(event: EventToInsert): AttemptToSettle {
  return {
    deliveryId: event.deliveries[0]!.deliveryId,
    generation: 1,
    number: 1,
    dueAtMs: null,
    trigger: 'automatic',
    status: 'failed',
    responseCode: 500,
    latencyMs: 1,
    errorCode: null,
    errorMessage: null,
    requestHeaders: '{}',
    responseHeaders: null,
    responseBody: null,
    responseTruncated: false,
    address: null,
    resent: false,
    startedAtMs: Date.now(),
    next: {
      status: 'pending',
      reason: null,
      waitingFor: 'retry',
      nextAttemptAtMs: Date.now() + 1_000,
      nextBecause: 'policy',
      finishedAtMs: null,
      expiresAtMs: null,
    },
  };
}

function keyHashOf(index: number): Buffer {
  return createHash('sha256').update(String(index)).digest();
}

function eventAt(
  acceptedAtMs: number,
  keyHash: Buffer,
  owner = { customerId: 'acme', endpointId: ENDPOINT },
): EventToInsert {
  return eventToInsert({ ...owner, acceptedAtMs, keyHashes: [keyHash], requestHash: keyHash });
}

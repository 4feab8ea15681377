import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { deliveryIdOf, latencyBounds } from '@posthorn/domain';
import type pg from 'pg';

import { cancelMatchingDeliveries } from '../cancel/cancel-delivery.js';
import { settleAttempts, type AttemptToSettle } from '../settle/settle-attempts.sql.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createStatisticsRollUp } from './roll-up-statistics.js';

const MINUTE_MS = 60_000;
const ALL = new AbortController().signal;

let pipeline: OpenPipeline;
let pool: pg.Pool;
let endpointId: string;
let customers = 0;
let customerId: string;

beforeAll(async () => {
  pipeline = await openPipeline();
  ({ pool } = pipeline.database);
});
afterAll(() => pipeline.close());
beforeEach(async () => {
  customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
  ({ id: endpointId } = await pipeline.addEndpoint(customerId, { url: 'http://127.0.0.1:9/' }));
});

/** A process that reads. */
const readerOn = (of: pg.Pool, notWithinMs = 0) =>
  createStatisticsRollUp({
    pool: of,
    clock: pipeline.database.clock,
    retentionDays: 30,
    failingLimits: { warnAfterMs: null, disableAfterMs: null },
    notWithinMs,
  });
const read = () => readerOn(pool).run(ALL);

const STATISTICS = `
  SELECT span, customer_id, endpoint_id, starts_at, measure, latency, count::int AS n FROM statistic`;
/** The same by a plain count over what they are made of. */
const COUNTED = `
  SELECT span, customer_id, endpoint_id, date_trunc(span, started_at, 'UTC') AS starts_at,
         CASE WHEN a.status = 'delivered' THEN 'success' ELSE 'failure' END AS measure,
         width_bucket(latency_ms::float8, $1::float8[]) AS latency, count(*)::int AS n
    FROM attempt a JOIN delivery d ON d.id = a.delivery_id CROSS JOIN unnest(ARRAY['minute', 'hour', 'day']) AS span
   WHERE a.status <> 'overlapped' GROUP BY 1, 2, 3, 4, 5, 6
   UNION ALL
  SELECT span, customer_id, endpoint_id, date_trunc(span, finished_at, 'UTC'), status, 0, count(*)::int
    FROM delivery CROSS JOIN unnest(ARRAY['minute', 'hour', 'day']) AS span
   WHERE status IN ('dead_lettered', 'cancelled') GROUP BY 1, 2, 3, 4, 5`;

async function expectEqualCounts(): Promise<number> {
  const inOrder = 'ORDER BY span, customer_id, endpoint_id, starts_at, measure, latency';
  const { rows: counted } = await pool.query<{ n: number }>(`${COUNTED} ${inOrder}`, [latencyBounds]);
  const { rows: kept } = await pool.query(`${STATISTICS} ${inOrder}`);
  expect(kept).toEqual(counted);
  return counted.reduce((sum, { n }) => sum + n, 0);
}

let seed = 1;
function random(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed / 2_147_483_647;
}

async function acceptEvents(count: number): Promise<string[]> {
  const events = await Promise.all(Array.from({ length: count }, () => pipeline.accept({ customerId })));
  return events.map((id) => deliveryIdOf(id, endpointId));
}

/** The next attempt of a delivery, which started up to two days ago and ended somehow. */
function attemptOf(deliveryId: string, number: number): AttemptToSettle {
  const startedAtMs = Date.now() - Math.floor(random() * (random() < 0.5 ? 5 : 1_440) * MINUTE_MS);
  const draw = random();
  const ended = {
    reason: null,
    waitingFor: null,
    nextAttemptAtMs: null,
    nextBecause: null,
    finishedAtMs: startedAtMs,
    expiresAtMs: null,
  };
  const next: AttemptToSettle['next'] =
    draw < 0.5
      ? { ...ended, status: 'delivered' }
      : draw < 0.7
        ? { ...ended, status: 'dead_lettered', reason: draw < 0.6 ? 'attempts_exhausted' : 'expired' }
        : {
            ...ended,
            status: 'pending',
            finishedAtMs: null,
            waitingFor: 'retry',
            nextAttemptAtMs: Date.now(),
            nextBecause: 'policy',
          };
  return {
    deliveryId,
    generation: 1,
    number,
    dueAtMs: null,
    trigger: 'automatic',
    status: next.status === 'delivered' ? 'delivered' : draw < 0.8 ? 'failed' : 'timeout',
    responseCode: 200,
    latencyMs: Math.floor(60_000 ** random()),
    errorCode: null,
    errorMessage: null,
    requestHeaders: '{}',
    responseHeaders: null,
    responseBody: null,
    responseTruncated: false,
    address: null,
    resent: false,
    startedAtMs,
    next,
  };
}

describe('the statistics', () => {
  it('are what a plain count says, whatever is committed late, rolled back, or read by several at once', async () => {
    const settlers = pipeline.openAnother('settling', 12);
    const readers = Array.from({ length: 3 }, () => pipeline.openAnother('reading', 1));
    const settling = new AbortController();
    const reading = readers.map(async (own) => {
      while (!settling.signal.aborted)
        await readerOn(own.pool)
          .run(ALL)
          .catch(() => undefined);
    });
    const killing = (async () => {
      while (!settling.signal.aborted) {
        await pool.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posthorn reading' AND random() < 0.05",
        );
        await new Promise((resolve) => setTimeout(resolve, random() * 20));
      }
    })();

    await Promise.all(
      Array.from({ length: 12 }, async () => {
        for (let batch = 0; batch < 12; batch += 1) {
          const ids = await acceptEvents(8);
          const client = await settlers.pool.connect();
          for (let number = 1; number <= 3; number += 1) {
            await client.query('BEGIN');
            await settleAttempts(
              client as unknown as pg.Pool,
              ids.map((id) => attemptOf(id, number)),
            );
            // Others commit, and readers pass, before this is to be seen.
            if (random() < 0.5) await client.query('SELECT pg_sleep($1)', [random() * 0.03]);
            await client.query(random() < 0.2 ? 'ROLLBACK' : 'COMMIT');
          }
          client.release();
        }
      }),
    );
    settling.abort();
    await Promise.all([...reading, killing]);
    await cancelMatchingDeliveries(pool, { customerId, status: 'pending' });
    await read();
    expect(await expectEqualCounts()).toBeGreaterThan(3_000);
    await Promise.all([settlers, ...readers].map((own) => own.close()));
  }, 120_000);

  it('count what a transaction that is open for long leaves behind, and nothing twice', async () => {
    const ids = await acceptEvents(3);
    const slow = await pool.connect();
    await slow.query('BEGIN');
    await settleAttempts(slow as unknown as pg.Pool, [attemptOf(ids[0]!, 1)]);
    await settleAttempts(pool, [attemptOf(ids[1]!, 1)]);
    expect(await read()).toBe(1);
    await settleAttempts(pool, [attemptOf(ids[2]!, 1)]);
    expect(await read()).toBe(1);
    expect(await read()).toBe(0);
    await slow.query('COMMIT');
    slow.release();
    expect(await read()).toBe(1);
    await expectEqualCounts();
  });

  it('are counted once when one begins to read while another is about to', async () => {
    const ids = await acceptEvents(2);
    await settleAttempts(
      pool,
      ids.map((id) => attemptOf(id, 1)),
    );
    const second = pipeline.openAnother('second', 1);
    const first = before('roll_up_attempts', pool, async () => {
      expect(await readerOn(second.pool).run(ALL)).toBe(0);
    });
    expect(await readerOn(first).run(ALL)).toBe(2);
    await second.close();
    await expectEqualCounts();
  });

  it('are counted once when a reader dies between reading and committing', async () => {
    const ids = await acceptEvents(2);
    await settleAttempts(
      pool,
      ids.map((id) => attemptOf(id, 1)),
    );
    const dying = pipeline.openAnother('dying', 1);
    const failing = before('COMMIT', dying.pool, (client) =>
      client.query('SELECT pg_terminate_backend(pg_backend_pid())'),
    );
    await expect(readerOn(failing).run(ALL)).rejects.toThrow();
    await dying.close();
    expect(await read()).toBe(2);
    await expectEqualCounts();
  });

  it('are read in pieces, to the end', async () => {
    const ids = await acceptEvents(2);
    for (const id of ids) await settleAttempts(pool, [attemptOf(id, 1)]);
    // Far more than one go reads, by twenty transactions.
    for (let from = 2; from <= 50_000; from += 2_500)
      await pool.query(
        `INSERT INTO attempt (delivery_id, number, trigger, status, latency_ms, request_headers, started_at)
         SELECT $1, n, 'automatic', 'failed', n % 5000, '{}', now() FROM generate_series($2::int, $2::int + 2499) AS n`,
        [ids[0], from],
      );
    let goes = 0;
    const counting = before('roll_up_attempts', pool, async () => (goes += 1));
    expect(await readerOn(counting).run(ALL)).toBe(50_002);
    expect(goes).toBeGreaterThanOrEqual(7);
    await expectEqualCounts();
  }, 60_000);

  it('take in all the ends there are, though a pass is to follow another after a while only', async () => {
    await pool.query(
      `INSERT INTO delivery_end (customer_id, endpoint_id, status, reason, deliveries, delivery_ids, ended_at)
       SELECT $1, $2, 'cancelled', 'requested', 1, ARRAY[gen_random_uuid()], now() FROM generate_series(1, 12000)`,
      [customerId, endpointId],
    );
    await pool.query("UPDATE attempt_reader SET read_at = now() - interval '1 hour'");
    await readerOn(pool, 60_000).run(ALL);
    const { rows } = await pool.query(
      "SELECT span, count::int AS n FROM statistic WHERE customer_id = $1 AND measure = 'cancelled' ORDER BY span",
      [customerId],
    );
    expect(rows).toEqual(['day', 'hour', 'minute'].map((span) => ({ span, n: 12_000 })));
    // Soon after, it leaves what has come.
    await acceptEvents(1).then((ids) => settleAttempts(pool, [attemptOf(ids[0]!, 1)]));
    expect(await readerOn(pool, 60_000).run(ALL)).toBe(0);
    // They stand for no deliveries, so that a plain count must not find them.
    await pool.query('DELETE FROM statistic WHERE customer_id = $1', [customerId]);
    await read();
  });

  it('are erased with their customer, also those of what ended meanwhile', async () => {
    const ids = await acceptEvents(5);
    await settleAttempts(
      pool,
      ids.map((id) => attemptOf(id, 1)),
    );
    await read();
    await cancelMatchingDeliveries(pool, { customerId });
    const { rowCount: kept } = await pool.query('SELECT FROM statistic WHERE customer_id = $1', [customerId]);
    expect(await pipeline.erase(customerId)).toMatchObject({
      // And the note of the cancellations, which is not read yet.
      receipt: { removed: { statistics: (kept ?? 0) + 1 } },
    });
    await read();
    for (const table of ['statistic', 'delivery_end']) {
      const { rowCount } = await pool.query(`SELECT FROM ${table} WHERE customer_id = $1`, [customerId]);
      expect(rowCount).toBe(0);
    }
  });

  // The last one: it leaves the reader in another time.
  it('go on in a database that was restored where transactions have lower numbers', async () => {
    const [before, after] = await acceptEvents(2);
    await settleAttempts(pool, [{ ...attemptOf(before!, 1), startedAtMs: Date.now() }]);
    await read();
    const { rows } = await pool.query('SELECT sum(count)::int AS n FROM statistic');
    await pool.query('UPDATE attempt_reader SET next_xid = (next_xid::text::bigint + 1000000)::text::xid8');
    expect(await read()).toBe(0);
    await settleAttempts(pool, [{ ...attemptOf(after!, 1), startedAtMs: Date.now() + 5 }]);
    // The numbers of before come again.
    await pool.query(
      'UPDATE attempt SET settled_in = (SELECT next_xid FROM attempt_reader) WHERE delivery_id = $1',
      [before],
    );
    expect(await read()).toBe(1);
    expect((await pool.query('SELECT sum(count)::int AS n FROM statistic')).rows).not.toEqual(rows);
  });
});

/** A pool in which something else happens before a statement, given by its name or text. */
function before(
  statement: string,
  on: pg.Pool,
  happens: (client: pg.PoolClient) => Promise<unknown>,
): pg.Pool {
  return {
    connect: async () => {
      const client = await on.connect();
      return {
        query: async (asked: string | pg.QueryConfig) => {
          if ((typeof asked === 'string' ? asked : asked.name) === statement) await happens(client);
          return client.query(asked);
        },
        release: (error?: Error | boolean) => client.release(error),
      };
    },
  } as unknown as pg.Pool;
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createQueueProducer, type DeliveryJob, type QueueProducer } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';

import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createSweep, type Sweep, type SweepResult } from './sweep.js';

const BACKLOG = 100_000;
const CUSTOMERS = 100;
const PAGE = 250;
/** Of a slow pass that is late, in one go. */
const LATE_ROWS = 40_000;

let pipeline: OpenPipeline;
let redis: TestRedis;
let queue: QueueProducer;
let sweep: Sweep;

beforeAll(async () => {
  pipeline = await openPipeline();
  redis = testRedis();
  const logger = createLogger({ level: 'error', role: 'test' });
  queue = createQueueProducer({
    redisUrl: redis.url,
    prefix: redis.prefix,
    logger,
    commandTimeoutMs: 30_000,
  });
  await waitUntil(() => queue.status() === 'ready');
  sweep = createSweep({
    pool: pipeline.database.pool,
    queue,
    logger,
    shard: redis.prefix,
    graceMs: 10_000,
    intervalMs: 5_000,
    pauseFactor: 0,
  });
  await queue.enqueue(await addBacklog());
}, 400_000);
afterAll(async () => {
  await queue.close();
  await redis.drop();
  await pipeline.close();
}, 300_000);

/** Deliveries that wait their turn, due over an hour until two minutes ago, and the jobs they have in the queue. */
async function addBacklog(): Promise<DeliveryJob[]> {
  const { rows } = await pipeline.database.pool.query<Omit<DeliveryJob, 'delayMs' | 'generation'>>(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
     SELECT delivery_id(event_id, endpoint_id), event_id, endpoint_id, 'customer-' || n % $2::int, 'invoice.paid', 'pending',
            now() - interval '2 minutes' - interval '1 hour' * n / $1::int, now(), now() + interval '1 day'
       FROM generate_series(1, $1::int) AS n
      CROSS JOIN LATERAL (
        SELECT (lpad(to_hex($3::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS event_id,
               ('019a0000000070008000' || lpad(to_hex(n % $2::int), 12, '0'))::uuid AS endpoint_id
       ) AS ids
     RETURNING id AS "deliveryId", event_id AS "eventId", endpoint_id AS "endpointId", customer_id AS "customerId"`,
    [BACKLOG, CUSTOMERS, Date.now()],
  );
  await pipeline.database.pool.query('ANALYZE delivery');
  return rows.map((row) => ({ ...row, generation: 1, delayMs: 0 }));
}

/** Entries of the index of due deliveries that Postgres has read so far. */
async function entriesRead(): Promise<number> {
  // Statistics reach the view when their session says so or has been idle for a while.
  await pipeline.database.pool.query('SELECT pg_stat_force_next_flush()');
  const { rows } = await pipeline.database.pool.query<{ n: string }>(
    `SELECT sum(idx_tup_read) AS n FROM pg_stat_user_indexes
      WHERE relname LIKE 'delivery%' AND indexrelname LIKE '%next_attempt_at%'`,
  );
  return Number(rows[0]?.n);
}

async function pass(name: string): Promise<SweepResult> {
  const result = await sweep.run(new AbortController().signal);
  if (!result) throw new Error('Another process is sweeping');
  process.stdout.write(
    `sweep beside ${BACKLOG} waiting, ${name}: rows read ${result.read}, scripts called ${result.scripts}\n`,
  );
  return result;
}

/** As if the slow pass under way had begun so much earlier. */
const slowPassBegan = (earlierMs: number) =>
  pipeline.database.pool.query(`UPDATE sweep SET slow_began_at = slow_began_at - $1 * interval '1 ms'`, [
    earlierMs,
  ]);

describe('the sweep beside 100,000 deliveries that wait honestly', () => {
  it('reads them when it begins, in its slow pass a page at a time, and in an idle pass nothing', async () => {
    const first = await pass('first pass');
    // Both walks begin at the oldest here; the slow pass reads its first page.
    expect(first).toEqual({
      lost: true,
      read: 2 * BACKLOG + PAGE,
      ahead: 0,
      enqueued: 0,
      // A marker for each turn of 50 pages of a walk, and for the last.
      scripts: 3 + BACKLOG / PAGE / 50 + (4 * BACKLOG) / PAGE,
    });

    for (let n = 0; n < 3; n += 1) {
      expect(await pass('page of the slow pass')).toEqual({
        lost: false,
        read: PAGE,
        ahead: 0,
        enqueued: 0,
        scripts: 3,
      });
    }
    await slowPassBegan(7 * 60_000);
    for (let left = BACKLOG - 4 * PAGE; left > 0; left -= LATE_ROWS) {
      const late = await pass('slow pass that is late');
      expect(late).toMatchObject({ read: Math.min(left, LATE_ROWS), enqueued: 0 });
    }

    // The next one would begin at once.
    await slowPassBegan(-7 * 60_000);
    const before = await entriesRead();
    expect(before).toBeGreaterThan(3 * BACKLOG - 1);
    for (let n = 0; n < 10; n += 1) {
      expect(await pass('idle pass')).toEqual({ lost: false, read: 0, ahead: 0, enqueued: 0, scripts: 1 });
    }
    expect((await entriesRead()) - before).toBeLessThan(100);
  }, 400_000);
});

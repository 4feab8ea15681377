import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ensurePartitions } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';

import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { cancelHeldOverLimit } from './cancel-held-over-limit.js';
import { createHeldReconciler } from './reconcile-held-deliveries.js';
import { resumeEndpoint } from './resume-endpoint.js';

const DAY_MS = 86_400_000;
const DAYS = 20;
const HELD_MAX = 100_000;
const PAST = 2_500;
/** Other endpoints that hold a little. */
const OTHERS = 200;
/** Deliveries that are not held. */
const FINISHED = 40_000;

let pipeline: OpenPipeline;
let endpointId: string;
let enqueued = 0;

// Before each: a test that is run once more begins with the same rows.
beforeEach(async () => {
  enqueued = 0;
  pipeline = await openPipeline();
  const { pool } = pipeline.database;
  for (let day = DAYS; day >= 0; day -= 10)
    await ensurePartitions(pool, { nowMs: Date.now() - day * DAY_MS });
  await pipeline.addCustomer('acme');
  ({ id: endpointId } = await pipeline.addEndpoint('acme', { url: 'http://127.0.0.1:9/' }));
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO endpoint (id, customer_id, url, event_types)
     SELECT ('019a0000000070008000' || lpad(to_hex(n), 12, '0'))::uuid, 'acme', 'http://127.0.0.1:9/', '{*}'
       FROM generate_series(1, $1::int) AS n RETURNING id`,
    [OTHERS],
  );
  await pool.query("UPDATE endpoint SET status = 'paused'");
  await addDeliveries(
    rows.map(({ id }) => id),
    FINISHED / OTHERS,
    'delivered',
  );
  await addDeliveries(
    rows.map(({ id }) => id),
    3,
    'held',
  );
  await addDeliveries([endpointId], HELD_MAX + PAST, 'held');
  await pool.query('ANALYZE delivery');
}, 400_000);
afterEach(() => pipeline.close(), 400_000);

/** So many for each endpoint, spread over the days. */
async function addDeliveries(endpointIds: string[], each: number, status: string): Promise<void> {
  await pipeline.database.pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, created_at, expires_at, finished_at)
     SELECT delivery_id(event_id, endpoint_id), event_id, endpoint_id, 'acme', 'invoice.paid', $3,
            CASE WHEN $3 = 'held' THEN 'endpoint_paused' END, now() - day * interval '1 day', now() + interval '5 days',
            CASE WHEN $3 = 'delivered' THEN now() END
       FROM unnest($1::uuid[]) AS endpoint_id
      CROSS JOIN generate_series(1, $2::int) AS n
      CROSS JOIN LATERAL (SELECT n % $4::int AS day) AS days
      CROSS JOIN LATERAL (
        SELECT (lpad(to_hex($5::bigint - day * $6::bigint), 12, '0') || '7' || substr(md5($3), 1, 3) || '8000'
                || lpad(to_hex(n), 12, '0'))::uuid AS event_id
       ) AS ids`,
    [endpointIds, each, status, DAYS, Date.now(), DAY_MS],
  );
}

/** Rows and index entries of deliveries that the work has Postgres read. */
async function measured<T>(name: string, work: () => Promise<T>): Promise<{ result: T; read: number }> {
  const before = await readSoFar();
  const startedMs = performance.now();
  const result = await work();
  const ms = Math.round(performance.now() - startedMs);
  const read = (await readSoFar()) - before;
  process.stdout.write(`${HELD_MAX} held, ${name}: ${ms} ms, read ${read}\n`);
  return { result, read };
}

async function readSoFar(): Promise<number> {
  const { pool } = pipeline.database;
  // Statistics reach the view when their session says so, so every one of the pool's has to.
  const clients = await Promise.all(Array.from({ length: 8 }, () => pool.connect()));
  await Promise.all(clients.map((client) => client.query('SELECT pg_stat_force_next_flush()')));
  const { rows } = await clients[0]!.query<{ n: string }>(
    `SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%')
          + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'delivery%') AS n`,
  );
  for (const client of clients) client.release();
  return Number(rows[0]?.n);
}

async function held(): Promise<{ held: number; oldestCancelled: boolean }> {
  const { rows } = await pipeline.database.pool.query<{ held: number; oldestCancelled: boolean }>(
    `SELECT count(*) FILTER (WHERE status = 'held')::int AS held,
            COALESCE(min(id::text) FILTER (WHERE status = 'cancelled') < max(id::text) FILTER (WHERE status = 'held'), false) AS "oldestCancelled"
       FROM delivery WHERE endpoint_id = $1`,
    [endpointId],
  );
  return rows[0]!;
}

describe('an endpoint that holds 100,000 deliveries', () => {
  it('loses the newest past the limit, costs the pass no more than one that holds a few, and comes back as a ramp', async () => {
    const { pool } = pipeline.database;
    const logger = createLogger({ level: 'error', role: 'test' });
    const queue = {
      enqueue: (jobs: readonly unknown[]) => {
        enqueued += jobs.length;
        return Promise.resolve();
      },
    };
    const deps = { pool, queue, logger, holdLimitMs: 28 * DAY_MS };
    const pass = createHeldReconciler(deps);

    const limit = await measured('limit pass that cancels 2,500', () => cancelHeldOverLimit(deps));
    expect(limit.result).toBe(PAST);
    expect(await held()).toEqual({ held: HELD_MAX, oldestCancelled: false });
    const idle = await measured('idle limit pass', () => cancelHeldOverLimit(deps));
    expect(idle.result).toBe(0);
    // What is held, and not what else there is many times over.
    expect(idle.read).toBeLessThan(2 * (HELD_MAX + FINISHED));

    const reconciled = await measured('pass over 201 holding endpoints', () => pass.run());
    expect(reconciled.result).toEqual({ released: 0, cancelled: 0 });
    expect(reconciled.read).toBeLessThan(40_000);

    await measured('resume', () => resumeEndpoint(deps, endpointId, { from: 'paused', held: 'release' }));
    expect(enqueued).toBe(5_000);
    for (let n = 1; n <= 2; n += 1) {
      const { result, read } = await measured('pass that releases 10,000', () => pass.run());
      expect(result).toEqual({ released: 10_000, cancelled: 0 });
      expect(read).toBeLessThan(400_000);
    }
    expect(enqueued).toBe(25_000);
  }, 400_000);
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePartitions } from '@posthorn/database';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import pg from 'pg';

import { findDueDeliveries } from './find-due-deliveries.sql.js';

const DAY_MS = 86_400_000;
const DAYS = 20;
const PER_DAY = 1_500;
const PAGE = 100;
/** After five executions Postgres may change to a plan that does not look at the values. */
const EXECUTIONS = 9;

let database: TestDatabase;
let pool: pg.Pool;
let nowMs: number;

beforeAll(async () => {
  database = await createTestDatabase();
  // One connection: its statements are prepared once, and its statistics are its own.
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
  nowMs = Date.now();
  for (let day = DAYS; day >= 0; day -= 10) await ensurePartitions(pool, { nowMs: nowMs - day * DAY_MS });
  for (let day = 0; day < DAYS; day += 1) await addWaiting(nowMs - day * DAY_MS);
  await pool.query('ANALYZE delivery');
}, 300_000);

afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Accepted on that day, due over the last hour and the next. */
async function addWaiting(acceptedAtMs: number): Promise<void> {
  await pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
     SELECT delivery_id(event_id, endpoint_id), event_id, endpoint_id, 'acme', 'invoice.paid', 'pending',
            to_timestamp($1::bigint / 1000.0) + interval '1 hour' * (2.0 * n / $2::int - 1), now(), now() + interval '1 day'
       FROM generate_series(1, $2::int) AS n
      CROSS JOIN LATERAL (
        SELECT (lpad(to_hex($3::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS event_id,
               '019a0000-0000-7000-8000-000000000001'::uuid AS endpoint_id
       ) AS ids`,
    [nowMs, PER_DAY, acceptedAtMs],
  );
}

async function entriesRead(): Promise<number> {
  await pool.query('SELECT pg_stat_force_next_flush()');
  const { rows } = await pool.query<{ n: string }>(
    `SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%')
          + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'delivery%') AS n`,
  );
  return Number(rows[0]?.n);
}

describe('the walk over due deliveries', () => {
  it('gives them in the order they are due, a page at a time, and reads about a page wherever it stands', async () => {
    let cursor = { nextAttemptAtMs: nowMs - 1_800_000, id: '00000000-0000-0000-0000-000000000000' };
    const seen: string[] = [];
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const before = await entriesRead();
      const page = await findDueDeliveries(pool, cursor, nowMs, PAGE);
      // One more of each partition, to merge them.
      expect((await entriesRead()) - before).toBeLessThan(PAGE + 3 * DAYS);
      expect(page).toHaveLength(PAGE);
      const times = page.map(({ nextAttemptAtMs }) => nextAttemptAtMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      seen.push(...page.map(({ deliveryId }) => deliveryId));
      const { nextAttemptAtMs, deliveryId: id } = page[PAGE - 1]!;
      cursor = { nextAttemptAtMs, id };
    }
    expect(new Set(seen).size).toBe(EXECUTIONS * PAGE);
    const atTheEnd = { nextAttemptAtMs: nowMs, id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };
    expect(await findDueDeliveries(pool, atTheEnd, nowMs, PAGE)).toEqual([]);
  });
});

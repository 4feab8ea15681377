import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  partitionName,
  refreshPartitionStatistics,
  ensurePartitions,
  DAY_MS,
  startOfDay,
} from '@posthorn/database';
import { countRowsRead, createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { randomBytes } from 'node:crypto';
import pg from 'pg';

import { insertEvents, type EventToInsert } from '../accept/insert-events.sql.js';
import { eventToInsert } from '../test-support/event-to-insert.js';

const ENDPOINT = '019a0000-0000-7000-8000-000000000001';
const tables = ['event', 'delivery', 'idempotency_key'];
/** After five executions Postgres may keep a plan. */
const EXECUTIONS = 9;
/** Not by the clock: the test may run at midnight. */
const noonMs = startOfDay(Date.now()) + DAY_MS + DAY_MS / 2;

describe('the statistics of a day that begins', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeEach(async () => {
    database = await createTestDatabase();
    // One connection: its statements are prepared once, and what it reads is counted at once.
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
    await ensurePartitions(pool, { nowMs: noonMs });
    // It would come by at some time, and do the same.
    for (const table of tables)
      await pool.query(`ALTER TABLE ${partitionName(table, noonMs)} SET (autovacuum_enabled = false)`);
    await pool.query("INSERT INTO customer (id, endpoints_version) VALUES ('acme', 0)");
  });
  afterEach(async () => {
    await pool.end();
    await database.drop();
  });

  async function add(count: number): Promise<void> {
    const events = Array.from({ length: count }, eventAtNoon);
    for (let from = 0; from < count; from += 500) {
      const outcomes = await insertEvents(pool, events.slice(from, from + 500), DAY_MS);
      expect(new Set(outcomes)).toEqual(new Set(['accepted']));
    }
  }
  const rowsReadBy = (work: () => Promise<unknown>) =>
    countRowsRead(pool, { tables: '^(delivery|event|idempotency_key)_' }, work);

  it('are made anew when it was analyzed before it began, so that accepting one event does not read all of them', async () => {
    await pool.query('ANALYZE');
    expect(await refreshPartitionStatistics(pool, noonMs)).toEqual([]);
    for (let n = 0; n < EXECUTIONS; n++) await add(1);
    await add(2_000);
    expect(await rowsReadBy(() => add(8))).toBeGreaterThan(2_000);
    const refreshed = await refreshPartitionStatistics(pool, noonMs);
    for (const table of tables) expect(refreshed).toContain(partitionName(table, noonMs));
    expect(await rowsReadBy(() => add(8))).toBeLessThan(200);
    expect(await refreshPartitionStatistics(pool, noonMs)).toEqual([]);
  });

  it('are made anew with its first page, so that what is prepared then reads by index however full it gets', async () => {
    await pool.query('ANALYZE');
    // As on the connections kept for accepting, which plan once: while there is nothing.
    await pool.query('SET random_page_cost = 0.1; SET plan_cache_mode = force_generic_plan');
    await add(1);
    const refreshed = await refreshPartitionStatistics(pool, noonMs);
    for (const table of tables) expect(refreshed).toContain(partitionName(table, noonMs));
    await add(2_000);
    expect(await rowsReadBy(() => add(8))).toBeLessThan(200);
  });

  it('of a table that is empty in a new installation are made anew when it is not any more', async () => {
    await pool.query('ALTER TABLE endpoint SET (autovacuum_enabled = false)');
    await pool.query('ANALYZE');
    expect(await refreshPartitionStatistics(pool, noonMs)).toEqual([]);
    await pool.query(
      `INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ('${ENDPOINT}', 'acme', 'x', '{*}')`,
    );
    expect(await refreshPartitionStatistics(pool, noonMs)).toEqual(['endpoint']);
    expect(await refreshPartitionStatistics(pool, noonMs)).toEqual([]);
  });

  it('are left alone where nobody has made any, and where there is no such day', async () => {
    await add(2_000);
    expect(await refreshPartitionStatistics(pool, noonMs)).toEqual([]);
    expect(await refreshPartitionStatistics(pool, noonMs + 100 * DAY_MS)).toEqual([]);
  });
});

function eventAtNoon(): EventToInsert {
  const hash = randomBytes(32);
  return eventToInsert({
    acceptedAtMs: noonMs,
    endpointId: ENDPOINT,
    keyHashes: [hash],
    requestHash: hash,
  });
}

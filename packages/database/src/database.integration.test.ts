import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { openDatabase, type Database } from './database.js';

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({
    url: testDatabase.url,
    poolMax: 3,
    logger: createLogger({ level: 'silent', role: 'test' }),
  });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

describe('the pool', () => {
  it('survives the loss of a connection that is lent out, idle or in a query, and gives new ones', async () => {
    const idle = await database.pool.connect();
    const busy = await database.pool.connect();
    await idle.query('BEGIN');
    const slow = busy.query('SELECT pg_sleep(30)').catch((error: unknown) => error);
    let lost = 0;
    for (const client of [idle, busy]) client.on('error', () => (lost += 1));

    // What is not listened to would end the process here, as it does in production.
    await database.pool.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await waitUntil(() => lost >= 2, { timeoutMs: 5_000 });
    expect(await slow).toBeInstanceOf(Error);
    await expect(idle.query('COMMIT')).rejects.toThrow();
    idle.release(true);
    busy.release(true);
    expect((await database.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('has an error listener on every connection it opens', async () => {
    const client = await database.pool.connect();
    // One is the pool's own while it is idle; ours is there while it is lent out.
    expect(client.listenerCount('error')).toBeGreaterThanOrEqual(1);
    client.release();
  });

  it('keeps connections for look-ups that do not scan tables, beside what else the URL asks for', async () => {
    const url = new URL(testDatabase.url);
    url.searchParams.set('options', '-c work_mem=12MB');
    const logger = createLogger({ level: 'silent', role: 'test' });
    const own = openDatabase({ url: url.href, poolMax: 4, lookUpsMax: 1, acceptingMax: 1, logger });
    const settings = async (pool: Database['pool']) =>
      (
        await pool.query(
          `SELECT current_setting('enable_seqscan') AS scans, current_setting('constraint_exclusion') AS checks,
                  current_setting('work_mem') AS memory, current_setting('plan_cache_mode') AS plans`,
        )
      ).rows[0] as unknown;
    const asked = { checks: 'off', memory: '12MB' };
    expect(await settings(own.lookUps)).toEqual({ ...asked, scans: 'off', plans: 'auto' });
    expect(await settings(own.accepting)).toEqual({ ...asked, scans: 'off', plans: 'force_generic_plan' });
    expect(await settings(own.pool)).toEqual({ ...asked, scans: 'on', plans: 'auto' });
    expect([own.pool, own.lookUps, own.accepting].map(({ options }) => options.max)).toEqual([2, 1, 1]);
    // Longer than someone looks at a page before going to the next.
    expect(own.pool.options.idleTimeoutMillis).toBeGreaterThan(60_000);
    for (const kept of [database.lookUps, database.accepting]) expect(kept).toBe(database.pool);
    await own.close();
  });

  it('takes ids from the database’s clock', async () => {
    await database.clock.sample();
    expect(Math.abs(database.clock.skewMs())).toBeLessThan(1_000);
    expect(Math.abs(database.clock.nowMs() - Date.now() - database.clock.skewMs())).toBeLessThan(50);
  });
});

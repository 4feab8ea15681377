import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { openDatabase, type Database } from './database.js';

const logger = createLogger({ level: 'silent', role: 'test' });
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({
    url: testDatabase.url,
    poolMax: 3,
    logger,
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

  it('keeps connections for look-ups that prefer an index, beside what else the URL asks for', async () => {
    const url = new URL(testDatabase.url);
    url.searchParams.set('options', '-c work_mem=12MB');
    const own = openDatabase({ url: url.href, poolMax: 4, keyLookupPoolMax: 1, ingestPoolMax: 1, logger });
    const settings = async (pool: Database['pool']) =>
      (
        await pool.query(
          `SELECT current_setting('random_page_cost') AS pages, current_setting('constraint_exclusion') AS checks,
                  current_setting('work_mem') AS memory, current_setting('plan_cache_mode') AS plans,
                  current_setting('jit') AS jit, current_setting('enable_seqscan') AS scans`,
        )
      ).rows[0] as unknown;
    const asked = { checks: 'off', memory: '12MB', jit: 'off', scans: 'on' };
    expect(await settings(own.keyLookupPool)).toEqual({ ...asked, pages: '0.1', plans: 'auto' });
    expect(await settings(own.ingestPool)).toEqual({ ...asked, pages: '0.1', plans: 'force_generic_plan' });
    expect(await settings(own.pool)).toEqual({ ...asked, pages: '4', plans: 'auto' });
    expect([own.pool, own.keyLookupPool, own.ingestPool].map(({ options }) => options.max)).toEqual([
      2, 1, 1,
    ]);
    // Longer than someone looks at a page before going to the next.
    expect(own.pool.options.idleTimeoutMillis).toBeGreaterThan(60_000);
    for (const kept of [database.keyLookupPool, database.ingestPool]) expect(kept).toBe(database.pool);
    await own.close();
  });

  it('bounds every statement by the server', async () => {
    const own = openDatabase({ url: testDatabase.url, poolMax: 1, logger, statementTimeoutMs: 50 });
    await expect(own.pool.query('SELECT pg_sleep(30)')).rejects.toMatchObject({ code: '57014' });
    await own.close();
  });

  it.each([
    ['timezone', 'Asia/Kolkata'],
    ['datestyle', 'German, DMY'],
    ['intervalstyle', 'iso_8601'],
    ['bytea_output', 'escape'],
    ['default_transaction_isolation', 'serializable'],
    ['extra_float_digits', '-15'],
  ])('reads and writes the same where the database sets %s = %s', async (name, value) => {
    await database.pool.query(`ALTER DATABASE ${nameOf(testDatabase)} SET ${name} = '${value}'`);
    const own = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
    try {
      const at = new Date('2026-03-04T05:06:07.089Z');
      await own.prisma.customer.deleteMany();
      await own.prisma.customer.create({ data: { id: 'acme', createdAt: at, updatedAt: at } });
      const read = await own.prisma.customer.findUniqueOrThrow({ where: { id: 'acme' } });
      expect(read.createdAt).toEqual(at);
      expect(
        (
          await own.pool.query(
            `SELECT created_at AS at, '\\x00ff'::bytea AS bytes, interval '90 minutes'::text AS time,
                    0.1::float8 + 0.2::float8 AS sum, current_setting('transaction_isolation') AS isolation FROM customer`,
          )
        ).rows,
      ).toEqual([
        { at, bytes: Buffer.from([0, 255]), time: '01:30:00', sum: 0.1 + 0.2, isolation: 'read committed' },
      ]);
    } finally {
      await own.close();
      await database.pool.query(`ALTER DATABASE ${nameOf(testDatabase)} RESET ${name}`);
    }
  });

  it('never asks a connection for a second statement before it has answered the first, also for relations', async () => {
    let running = 0;
    let most = 0;
    const own = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
    own.pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => {
        const result = query(...args);
        if (result instanceof Promise) {
          most = Math.max(most, (running += 1));
          result.then(
            () => (running -= 1),
            () => (running -= 1),
          );
        }
        return result;
      }) as typeof client.query;
    });
    await own.prisma.customer.create({ data: { id: 'related' } });
    const relations = { endpoints: true, apiKeys: true, portalLinks: true };
    const related = await own.prisma.$transaction((tx) =>
      tx.customer.findUniqueOrThrow({ where: { id: 'related' }, include: relations }),
    );
    expect(related).toMatchObject({ endpoints: [], apiKeys: [], portalLinks: [] });
    expect(most).toBe(1);
    await own.close();
  });

  it('takes ids from the database’s clock', async () => {
    await database.clock.sample();
    expect(Math.abs(database.clock.skewMs())).toBeLessThan(1_000);
    expect(Math.abs(database.clock.nowMs() - Date.now() - database.clock.skewMs())).toBeLessThan(50);
  });
});

function nameOf({ url }: TestDatabase): string {
  return new URL(url).pathname.slice(1);
}

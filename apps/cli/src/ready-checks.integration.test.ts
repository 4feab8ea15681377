import { migrationLock, openDatabase } from '@posthorn/database';
import { createQueueProducer } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, redisCommand, startPrivateRedis, waitUntil } from '@posthorn/testing';
import { expect, it } from '@jest/globals';

import { readyChecks } from './ready-checks.js';

const queue = {
  ping: () => Promise.resolve({ clockSkewMs: 0 }),
  writeProblem: () => Promise.resolve(null),
};

it('says when statements are compiled, which is no reason to serve nothing', async () => {
  const logger = createLogger({ level: 'silent', role: 'test' });
  const testDatabase = await createTestDatabase();
  // One connection: what it has set is what the check finds.
  const database = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
  const checks = readyChecks({ database, queue, migrations: [], redisRequired: true, logger });
  const jit = checks.find(({ name }) => name === 'jit');
  try {
    expect(jit?.required).toBe(false);
    expect(await jit?.check()).toEqual({ ok: true });
    await database.pool.query('SET jit = on'); // as behind a pooler that gives every transaction another connection
    expect(await jit?.check()).toEqual({
      ok: false,
      detail: expect.stringContaining('Set "jit = off" for the role, the database or the server'),
    });
  } finally {
    await database.close();
    await testDatabase.drop();
  }
});

it('is not ready without a migration of its own, and says whether one failed or is being applied', async () => {
  const logger = createLogger({ level: 'silent', role: 'test' });
  const testDatabase = await createTestDatabase();
  const database = openDatabase({ url: testDatabase.url, poolMax: 2, logger });
  const migrations = (names: string[]) =>
    readyChecks({ database, queue, migrations: names, redisRequired: true, logger })
      .find(({ name }) => name === 'migrations')!
      .check();
  try {
    expect(await migrations([])).toEqual({ ok: true });
    expect(await migrations(['new'])).toMatchObject({
      ok: false,
      detail: expect.stringContaining('1 pending'),
    });
    await database.pool.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', 'new')`,
    );
    expect(await migrations(['new'])).toEqual({ ok: false, detail: 'failed: new' });
    const migrating = await database.pool.connect();
    await migrating.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    expect(await migrations(['new'])).toEqual({ ok: false, detail: 'being applied: new' });
    // A process of the version before serves on while the new one is rolled out.
    expect(await migrations([])).toEqual({ ok: true });
    migrating.release(true);
  } finally {
    await database.close();
    await testDatabase.drop();
  }
});

it.each([
  ['a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], /is a replica, which takes no/],
  ['full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0'], /is out of memory/],
])(
  'says that Redis is %s, though it answers, until it takes writes again',
  async (_state, begin, end, sentence) => {
    const logger = createLogger({ level: 'silent', role: 'test' });
    const testDatabase = await createTestDatabase();
    const database = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
    const redis = await startPrivateRedis();
    const producer = createQueueProducer({ redisUrl: redis.url, prefix: '{ph:0}', logger });
    const checkOf = (redisRequired: boolean) =>
      readyChecks({ database, queue: producer, migrations: [], redisRequired, logger }).find(
        ({ name }) => name === 'redis',
      )!;
    // Accepting goes on without Redis.
    expect([checkOf(true).required, checkOf(false).required]).toEqual([true, false]);
    const { check } = checkOf(true);
    try {
      await waitUntil(() => producer.status() === 'ready');
      expect(await check()).toEqual({ ok: true });
      await redisCommand(redis.url, ...(begin as [string]));
      const refused = await check();
      expect(refused).toEqual({ ok: false, detail: expect.stringMatching(sentence) });
      expect(refused.detail).not.toContain('127.0.0.1');
      await redisCommand(redis.url, ...(end as [string]));
      expect(await check()).toEqual({ ok: true });
      expect(await redisCommand(redis.url, 'DBSIZE')).toBe(0);
    } finally {
      await producer.close();
      await redis.stop();
      await database.close();
      await testDatabase.drop();
    }
  },
);

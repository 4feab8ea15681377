import { migrationLock, openDatabase } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase } from '@posthorn/testing';
import { expect, it } from '@jest/globals';

import { readyChecks } from './ready-checks.js';

it('says when statements are compiled, which is no reason to serve nothing', async () => {
  const logger = createLogger({ level: 'silent', role: 'test' });
  const testDatabase = await createTestDatabase();
  // One connection: what it has set is what the check finds.
  const database = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
  const ping = () => Promise.resolve({ clockSkewMs: 0 });
  const checks = readyChecks({ database, queue: { ping }, migrations: [], redisRequired: true, logger });
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
  const ping = () => Promise.resolve({ clockSkewMs: 0 });
  const migrations = (names: string[]) =>
    readyChecks({ database, queue: { ping }, migrations: names, redisRequired: true, logger })
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

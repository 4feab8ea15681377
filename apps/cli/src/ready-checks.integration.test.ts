import { openDatabase } from '@posthorn/database';
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

import { createLogger } from '@posthorn/runtime';
import { createEmptyDatabase, createTestDatabase, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';

import { openChangeFeed } from './change-feed.js';
import { openDatabase } from './database.js';
import { deployMigrations } from './migrate.js';
import { hasPgBouncer, startPgBouncer } from './test-support/pgbouncer.js';

const logger = createLogger({ level: 'silent', role: 'test' });
const closes: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let close = closes.pop(); close; close = closes.pop()) await close();
});

async function behind(database: TestDatabase, mode: 'session' | 'transaction'): Promise<string> {
  closes.push(() => database.drop());
  const pooler = await startPgBouncer(database.url, mode);
  closes.push(() => pooler.stop());
  return pooler.url;
}

// Its package is not everywhere; `.ci/run` installs it where it may.
(hasPgBouncer ? describe : describe.skip)('behind PgBouncer', () => {
  it('every connection has its settings, and announcements arrive, with sessions', async () => {
    const url = await behind(await createTestDatabase(), 'session');
    const database = openDatabase({ url, poolMax: 3, keyLookupPoolMax: 1, ingestPoolMax: 1, logger });
    closes.push(() => database.close());
    const { pool, keyLookupPool, ingestPool, prisma } = database;
    for (const each of [pool, keyLookupPool, ingestPool]) {
      const { rows } = await each.query(
        `SELECT current_setting('jit') AS jit, current_setting('constraint_exclusion') AS checks,
                current_setting('timezone') AS zone, current_setting('statement_timeout') AS limit`,
      );
      expect(rows).toEqual([{ jit: 'off', checks: 'off', zone: 'UTC', limit: '15s' }]);
    }
    const changed: string[] = [];
    const feed = openChangeFeed({
      databaseUrl: url,
      logger,
      onChange: (kind, id) => changed.push(`${kind} ${id}`),
      onGap: () => changed.push('gap'),
    });
    closes.push(() => feed.close());
    await waitUntil(() => changed.length > 0, { timeoutMs: 10_000 });
    await prisma.customer.create({ data: { id: 'acme' } });
    await waitUntil(() => changed.includes('customer acme'), { timeoutMs: 10_000 });
  });

  it('JIT is off for connections that have set nothing, once it was migrated, with transactions too', async () => {
    const database = await createEmptyDatabase();
    const direct = new URL(database.url);
    const url = await behind(database, 'transaction');
    const folder = await mkdtemp(path.join(tmpdir(), 'posthorn-test-'));
    closes.push(() => rm(folder, { recursive: true }));
    await deployMigrations(direct.href, folder, {});
    const client = new pg.Client(url);
    await client.connect();
    closes.push(() => client.end());
    expect((await client.query('SHOW jit')).rows).toEqual([{ jit: 'off' }]);
  });
});

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { createApiKeyStore, openDatabase } from '@posthorn/database';
import { createLogger, createShutdown, loadConfig, type Shutdown } from '@posthorn/runtime';
import { createTestDatabase, testRedis, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { migrateDatabase } from './migrate-database.js';
import { findMigrationsDir } from './migrations-dir.js';
import { startRoles } from './start-roles.js';

const adminKey = `phk_${'a'.repeat(43)}`;
const redis = testRedis();
let database: TestDatabase;
let folder: string;
let log = '';
let shutdown: Shutdown | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateDatabase({ databaseUrl: database.url, migrationsDir: findMigrationsDir(), logger });
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-roles-'));
});
afterEach(async () => {
  await shutdown?.close();
  shutdown = undefined;
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await redis.drop();
  await database.drop();
});

const logger = createLogger({
  level: 'warn',
  role: 'test',
  destination: new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString();
      done();
    },
  }),
});

async function start(migrationsDir: string): Promise<string> {
  const config = loadConfig(
    {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      POSTHORN_QUEUE_PREFIX: redis.prefix,
      POSTHORN_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32).toString('base64')}`,
      POSTHORN_ADMIN_KEY: adminKey,
      POSTHORN_HOST: '127.0.0.1',
      POSTHORN_PORT: '0',
    },
    { command: 'serve', roles: ['console'] },
  );
  shutdown = createShutdown(logger);
  const { port } = await startRoles({ config, roles: ['console'], migrationsDir, logger, shutdown });
  return `http://127.0.0.1:${port}`;
}

describe('A process of roles', () => {
  it('stays ready when migrations are added to the files it was started from, and is not when it starts with them', async () => {
    const migrationsDir = path.join(folder, 'migrations');
    await cp(findMigrationsDir(), migrationsDir, { recursive: true });
    const running = await start(migrationsDir);
    await waitUntil(async () => (await fetch(`${running}/ready`)).status === 200);

    const added = path.join(migrationsDir, '29990101000000_added');
    await mkdir(added);
    await writeFile(path.join(added, 'migration.sql'), 'SELECT 1');
    expect((await fetch(`${running}/ready`)).status).toBe(200);
    await shutdown?.close();

    const ready = await fetch(`${await start(migrationsDir)}/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('1 pending');
  });

  it('warns of a POSTHORN_ADMIN_KEY that was revoked, and only of that, without showing it', async () => {
    log = '';
    await start(findMigrationsDir());
    expect(log).not.toContain('admin_key.revoked');
    await shutdown?.close();
    await revoke();

    await start(findMigrationsDir());
    expect(log).toContain('admin_key.revoked');
    expect(log).not.toContain(adminKey);
  });
});

async function revoke(): Promise<void> {
  const { clock, prisma, close } = openDatabase({ url: database.url, poolMax: 1, logger });
  const apiKeys = createApiKeyStore({ prisma, clock });
  await clock.sample();
  const { items } = await apiKeys.list({ limit: 10, before: null });
  for (const { id } of items) await apiKeys.revoke(id);
  await close();
}

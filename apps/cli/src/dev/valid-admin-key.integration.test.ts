import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApiKeyStore, openDatabase, type ApiKeyStore, type Database } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { storedAdminKey } from '../admin-key.js';
import { validAdminKey } from './valid-admin-key.js';

const logger = createLogger({ level: 'silent', role: 'test' });
let testDatabase: TestDatabase;
let database: Database;
let apiKeys: ApiKeyStore;
let dataDir: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
  await database.clock.sample();
  apiKeys = createApiKeyStore(database);
  dataDir = await mkdtemp(path.join(tmpdir(), 'posthorn-valid-key-'));
});
afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true });
  await database.close();
  await testDatabase.drop();
});

const find = (given: string | null) =>
  validAdminKey({ given, dataDir, databaseUrl: testDatabase.url, logger });

async function revokeAll(): Promise<void> {
  const { items } = await apiKeys.list({ limit: 10, before: null });
  for (const { id } of items) await apiKeys.revoke(id);
}

describe('The admin key that dev runs with', () => {
  it('is the stored one while that is valid, and a new stored one after it was revoked', async () => {
    const first = await find(null);
    expect(first).toEqual({ key: await storedAdminKey(dataDir), replaced: false });
    expect(await find(null)).toEqual(first);

    await revokeAll();
    const second = await find(null);
    expect(second).toEqual({ key: await storedAdminKey(dataDir), replaced: true });
    expect(second.key).not.toBe(first.key);
    expect((await apiKeys.list({ limit: 10, before: null })).items).toMatchObject([{ scopes: ['admin'] }]);
    expect(await find(null)).toEqual({ key: second.key, replaced: false });
  });

  it('is the given one, which is not replaced when it was revoked: the start says what to do', async () => {
    const given = `phk_${'b'.repeat(43)}`;
    const kept = await storedAdminKey(dataDir);
    expect(await find(given)).toEqual({ key: given, replaced: false });
    await revokeAll();
    await expect(find(given)).rejects.toMatchObject({
      lines: [
        expect.stringMatching(/^POSTHORN_ADMIN_KEY is an API key that was revoked: set another one, or none/),
      ],
    });
    expect(await storedAdminKey(dataDir)).toBe(kept);
  });
});

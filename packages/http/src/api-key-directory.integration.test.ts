import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ApiKeyStore,
  type ChangeFeed,
  createApiKeyStore,
  type Database,
  openChangeFeed,
  openDatabase,
} from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';

import { type ApiKeyDirectory, createApiKeyDirectory } from './api-key-directory.js';
import { hashToken } from './token-hash.js';

const logger = createLogger({ level: 'silent', role: 'test' });
let testDatabase: TestDatabase;
let database: Database;
let store: ApiKeyStore;
let directory: ApiKeyDirectory;
let feed: ChangeFeed;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({ url: testDatabase.url, poolMax: 4, logger });
  store = createApiKeyStore(database);
  directory = createApiKeyDirectory({ apiKeys: store, clock: database.clock, logger });
  feed = openChangeFeed({
    databaseUrl: testDatabase.url,
    logger,
    onChange: (kind, id) => directory.onChange(kind, id),
    onGap: () => directory.onGap(),
  });
});

afterAll(async () => {
  await feed.close();
  await directory.close();
  await database.close();
  await testDatabase.drop();
});

describe('the directory over Postgres', () => {
  it('finds a key by its hash, forgets it when it is revoked, and records its use', async () => {
    const created = await store.create({ name: 'test', scopes: ['read', 'events:write'], customerId: null });
    if (created.kind !== 'created') throw new Error(created.kind);
    const { apiKey, key } = created;
    const hash = hashToken(key);
    expect(await directory.find(hash)).toEqual({
      id: apiKey.id,
      scopes: ['read', 'events:write'],
      customerId: null,
      rateLimit: null,
    });
    const rateLimit = { max: 5, perSeconds: 1 };
    await store.patch(apiKey.id, (settings) => ({ ...settings, rateLimit }));
    await waitUntil(async () => (await directory.find(hash))?.rateLimit?.max === 5);
    await waitUntil(async () => {
      const { items } = await store.list({ limit: 1, before: null });
      return items[0]?.lastUsedAt !== null;
    });

    await store.revoke(apiKey.id);
    await waitUntil(async () => (await directory.find(hash)) === null, { timeoutMs: 5_000 });
  });
});

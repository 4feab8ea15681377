import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { type Database, openDatabase } from '../database.js';
import { type ApiKey, type ApiKeyStore, createApiKeyStore, type NewApiKey } from './api-key-store.js';

let testDatabase: TestDatabase;
let database: Database;
let apiKeys: ApiKeyStore;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({
    url: testDatabase.url,
    poolMax: 10,
    logger: createLogger({ level: 'silent', role: 'test' }),
  });
  apiKeys = createApiKeyStore({ prisma: database.prisma, clock: { nowMs: () => Date.now() } });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  await database.pool.query('TRUNCATE customer CASCADE');
  await database.pool.query(`INSERT INTO customer (id) VALUES ('acme'), ('other')`);
});

describe('create', () => {
  it('makes a key that is found by its hash, while the database keeps no more of it than a hint', async () => {
    const { apiKey, key } = await create({
      name: 'billing',
      scopes: ['events:write', 'read'],
      customerId: 'acme',
    });
    expect(key).toMatch(/^phk_[A-Za-z0-9_-]{43}$/);
    expect(apiKey).toMatchObject({
      name: 'billing',
      scopes: ['events:write', 'read'],
      customerId: 'acme',
      lastUsedAt: null,
    });
    expect(key.startsWith(apiKey.hint)).toBe(true);
    expect(await apiKeys.findByHash(hashOf(key))).toEqual(apiKey);
    expect(await apiKeys.findByHash(hashOf(`${key}x`))).toBeNull();

    const { rows } = await database.pool.query<{ stored: string }>('SELECT k::text AS stored FROM api_key k');
    expect(rows[0]!.stored).not.toContain(key.slice(0, 20));
  });

  it('makes none for a customer that is unknown or erased', async () => {
    const restricted = { name: null, scopes: ['read'], customerId: 'nobody' } as const;
    expect(await apiKeys.create(restricted)).toEqual({ kind: 'unknown_customer' });
    await database.pool.query(`UPDATE customer SET erased_at = now() WHERE id = 'acme'`);
    expect(await apiKeys.create({ ...restricted, customerId: 'acme' })).toEqual({ kind: 'unknown_customer' });
  });
});

describe('ensure', () => {
  const given = `phk_${randomBytes(32).toString('base64url')}`;

  it('makes a given key once, however many processes start with it', async () => {
    const settings = { name: 'operator', scopes: ['admin'] as const };
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => apiKeys.ensure(given, settings)));
    expect(outcomes.sort()).toEqual(['made', 'there', 'there', 'there', 'there', 'there']);
    expect(await apiKeys.ensure(given, settings)).toBe('there');
    const { items } = await apiKeys.list({ limit: 10, before: null });
    expect(items).toHaveLength(1);
    expect(await apiKeys.findByHash(hashOf(given))).toMatchObject({
      name: 'operator',
      scopes: ['admin'],
      customerId: null,
    });
  });

  it('does not bring a revoked key back, and says so', async () => {
    await apiKeys.ensure(given, { name: null, scopes: ['admin'] });
    await apiKeys.revoke((await apiKeys.findByHash(hashOf(given)))!.id);
    expect(await apiKeys.ensure(given, { name: null, scopes: ['admin'] })).toBe('revoked');
    expect(await apiKeys.findByHash(hashOf(given))).toBeNull();
  });
});

describe('revoke', () => {
  it('ends the key and takes it off the list, once', async () => {
    const { apiKey, key } = await create();
    const other = await create();
    expect(await apiKeys.revoke(apiKey.id)).toEqual(apiKey);
    expect(await apiKeys.revoke(apiKey.id)).toBeNull();
    expect(await apiKeys.findByHash(hashOf(key))).toBeNull();
    expect((await apiKeys.list({ limit: 10, before: null })).items).toEqual([other.apiKey]);
  });
});

it('finds no key of an erased customer', async () => {
  const { key } = await create({ name: null, scopes: ['read'], customerId: 'acme' });
  await database.pool.query(`UPDATE customer SET erased_at = now() WHERE id = 'acme'`);
  expect(await apiKeys.findByHash(hashOf(key))).toBeNull();
});

it('lists in pages, newest first', async () => {
  const made: ApiKey[] = [];
  for (const customerId of ['acme', 'other', null, 'acme', 'acme']) {
    made.push((await create({ name: null, scopes: ['read'], customerId })).apiKey);
  }
  const first = await apiKeys.list({ limit: 3, before: null });
  const second = await apiKeys.list({ limit: 3, before: first.next });
  expect([...first.items, ...second.items]).toEqual(made.toReversed());
  expect(second.next).toBeNull();
});

describe('touchLastUsed', () => {
  it('records the latest use, never an earlier one, and skips unknown keys', async () => {
    const one = (await create()).apiKey.id;
    const two = (await create()).apiKey.id;
    const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
    await apiKeys.touchLastUsed([
      { id: one, usedAt: at(10) },
      { id: one, usedAt: at(20) },
      { id: one, usedAt: at(15) },
      { id: two, usedAt: at(5) },
      { id: '01890000-0000-7000-8000-000000000000', usedAt: at(1) },
    ]);
    await apiKeys.touchLastUsed([{ id: one, usedAt: at(12) }]);
    await apiKeys.touchLastUsed([]);
    const { items } = await apiKeys.list({ limit: 10, before: null });
    expect(new Map(items.map(({ id, lastUsedAt }) => [id, lastUsedAt]))).toEqual(
      new Map([
        [one, at(20)],
        [two, at(5)],
      ]),
    );
  });

  it('lets two processes report the same keys in any order', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) ids.push((await create()).apiKey.id);
    const report = (order: string[]) =>
      apiKeys.touchLastUsed(order.map((id) => ({ id, usedAt: new Date() })));
    const reports = Array.from({ length: 30 }, (_, n) => report(n % 2 === 0 ? ids : ids.toReversed()));
    await expect(Promise.all(reports)).resolves.toHaveLength(30);
  });
});

async function create(
  key: NewApiKey = { name: null, scopes: ['admin'], customerId: null },
): Promise<{ apiKey: ApiKey; key: string }> {
  const outcome = await apiKeys.create(key);
  if (outcome.kind !== 'created') throw new Error(outcome.kind);
  return outcome;
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

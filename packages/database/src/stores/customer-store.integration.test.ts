import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { type Database, openDatabase } from '../database.js';
import { createCustomerStore, type CustomerPosition, type CustomerStore } from './customer-store.js';

const plain = {
  name: null,
  metadata: null,
  notificationUrl: null,
  maxInFlight: null,
  rateLimit: null,
  maxEndpoints: null,
};
let testDatabase: TestDatabase;
let database: Database;
let customers: CustomerStore;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({
    url: testDatabase.url,
    poolMax: 10,
    logger: createLogger({ level: 'silent', role: 'test' }),
  });
  customers = createCustomerStore(database);
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});
beforeEach(() => database.pool.query('TRUNCATE customer CASCADE'));

describe('put', () => {
  it('creates a customer, then replaces it: what is left out the second time is reset', async () => {
    const full = {
      name: 'Acme',
      metadata: { plan: 'gold', seats: 3, trial: false },
      notificationUrl: 'https://acme.example/ops',
      maxInFlight: 7,
      rateLimit: { max: 10, perSeconds: 60 },
      maxEndpoints: 2,
    };
    const created = await customers.put('acme', full);
    expect(created).toMatchObject({ kind: 'created', customer: { id: 'acme', ...full } });
    expect(await customers.get('acme')).toMatchObject({ id: 'acme', ...full });

    const replaced = await customers.put('acme', { ...plain, name: 'Acme Inc.' });
    expect(replaced).toMatchObject({ kind: 'updated', customer: { ...plain, name: 'Acme Inc.' } });
    expect(await customers.get('acme')).toMatchObject({ ...plain, name: 'Acme Inc.' });
  });

  it('says of one writer only that it created the customer', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => customers.put('acme', plain)));
    expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'updated')).toHaveLength(7);
  });
});

describe('an erased customer', () => {
  it('is not there, is not listed, and cannot be put back while its tombstone stands', async () => {
    await customers.put('gone', plain);
    await customers.put('here', plain);
    await database.pool.query(`UPDATE customer SET erased_at = now() WHERE id = 'gone'`);

    expect(await customers.get('gone')).toBeNull();
    expect((await customers.list({ limit: 10, before: null })).items.map(({ id }) => id)).toEqual(['here']);
    expect(await customers.put('gone', plain)).toEqual({ kind: 'erased' });
  });
});

describe('list', () => {
  it('gives every customer once, newest first, also those made in the same millisecond', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await customers.put(id, plain);
    await database.pool.query(
      `UPDATE customer SET created_at = CASE WHEN id IN ('b', 'c', 'd', 'e', 'f') THEN '2026-01-02'::timestamptz
         WHEN id = 'g' THEN '2026-01-01' ELSE '2026-01-03' END`,
    );
    const seen: string[][] = [];
    let before: CustomerPosition | null = null;
    do {
      const page = await customers.list({ limit: 2, before });
      seen.push(page.items.map(({ id }) => id));
      before = page.next;
    } while (before !== null);
    expect(seen).toEqual([['a', 'f'], ['e', 'd'], ['c', 'b'], ['g']]);
  });
});

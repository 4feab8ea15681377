import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { type Database, openDatabase } from '../database.js';
import { createPortalLinkStore, type PortalLinkStore } from './portal-link-store.js';

const hashOf = (token: string) => createHash('sha256').update(token).digest();
let testDatabase: TestDatabase;
let database: Database;
let store: PortalLinkStore;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const logger = createLogger({ level: 'silent', role: 'test' });
  database = openDatabase({ url: testDatabase.url, poolMax: 4, logger });
  store = createPortalLinkStore(database);
  await database.pool.query("INSERT INTO customer (id) VALUES ('acme')");
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

async function make() {
  const link = await database.prisma.$transaction((tx) =>
    store.create(tx, { customerId: 'acme', expiresInSeconds: 60 }),
  );
  if (link.kind !== 'created') throw new Error(link.kind);
  return link;
}
const idsLeft = async () =>
  (await database.pool.query<{ id: string }>('SELECT id FROM portal_link')).rows.map(({ id }) => id);

it('finds a session by the hash of its own token only', async () => {
  const link = await make();
  const session = await store.open(link.token, { sessionSeconds: 60 });
  expect(session).toMatchObject({ id: link.id, customerId: 'acme' });
  expect(await store.findSession(hashOf(session!.token))).toMatchObject({ id: link.id });
  expect(await store.findSession(hashOf(link.token))).toBeNull();
});

it('forgets links and sessions that are past their time, and no others', async () => {
  const [unused, unusedLate, open, over] = [await make(), await make(), await make(), await make()];
  for (const link of [open, over]) await store.open(link.token, { sessionSeconds: 3_600 });
  const past = (column: string, ids: string[]) =>
    database.pool.query(
      `UPDATE portal_link SET ${column} = now() - interval '1 second' WHERE id = ANY ($1)`,
      [ids],
    );
  await past('expires_at', [unusedLate.id, open.id, over.id]);
  await past('session_expires_at', [over.id]);
  const before = await idsLeft();
  expect(await store.removeExpired()).toBe(2);
  const left = await idsLeft();
  expect(before.filter((id) => !left.includes(id)).sort()).toEqual([unusedLate.id, over.id].sort());
  expect(left).toEqual(expect.arrayContaining([unused.id, open.id]));
});

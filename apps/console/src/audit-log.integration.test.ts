import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAuditStore } from '@posthorn/database';
import { createUuidV7 } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const ENDPOINT = {
  url: 'https://example.com/hook',
  eventTypes: ['*'],
  headers: { Authorization: 'Basic c2VjcmV0' },
};

let testDatabase: TestDatabase;
let app: TestConsole;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  app = await startTestConsole(testDatabase.url);
});
afterAll(async () => {
  await app.close();
  await testDatabase.drop();
});

const entries = async (query = '') => (await app.admin.get(`/v1/audit-log${query}`).expect(200)).body.data;

describe('the audit log', () => {
  it('says who changed what, when and from where, and holds no values', async () => {
    const beganMs = Date.now() - 5_000;
    await app.admin.put('/v1/customers/acme').send({ name: 'Acme secret name' }).expect(201);
    const { body: made } = await app.admin.post('/v1/customers/acme/endpoints').send(ENDPOINT).expect(201);
    const { body: key } = await app.admin
      .post('/v1/api-keys')
      .send({ scopes: ['admin'], customerId: 'acme' })
      .expect(201);
    await app
      .as(key.key)
      .patch(`/v1/endpoints/${made.id}`)
      .set('X-Request-Id', 'req-1')
      .set('User-Agent', 'acme-backend/1.0')
      .set('X-Forwarded-For', '203.0.113.9')
      .send({ description: 'mine' })
      .expect(200);
    await app.as(key.key).delete(`/v1/endpoints/${made.id}`).expect(204);

    const found = await entries('?customerId=acme');
    expect(found.map(({ operation }) => operation)).toEqual([
      'deleteEndpoint',
      'patchEndpoint',
      'createApiKey',
      'createEndpoint',
      'putCustomer',
    ]);
    expect(found[1]).toEqual({
      id: expect.stringMatching(/^aud_[0-9a-z]{26}$/),
      at: expect.any(String),
      keyId: key.id,
      portalLinkId: null,
      operation: 'patchEndpoint',
      target: { endpointId: made.id, id: made.id, customerId: 'acme' },
      members: ['description'],
      customerId: 'acme',
      requestId: 'req-1',
      address: '203.0.113.9',
      userAgent: 'acme-backend/1.0',
    });
    expect(Date.parse(found[1]!.at)).toBeGreaterThan(beganMs);
    expect(found[3]).toMatchObject({ members: ['url', 'eventTypes', 'headers'] });
    expect(JSON.stringify(found)).not.toMatch(/secret|c2VjcmV0|phk_|whsec_/);
  });

  it('leaves out what changed nothing: reading, and requests that were refused', async () => {
    const before = await entries();
    await app.admin.get('/v1/customers').expect(200);
    await app.admin.post('/v1/replays').send({ customerId: 'acme', dryRun: true }).expect(200);
    await app.admin.post('/v1/customers/nobody/endpoints').send(ENDPOINT).expect(404);
    await app.admin.put('/v1/customers/acme').send({ nothing: 1 }).expect(400);
    await app.anyone.put('/v1/customers/acme').send({}).expect(401);
    expect(await entries()).toEqual(before);
  });

  it('is filtered by key, operation and time, in pages', async () => {
    const all = await entries();
    const { keyId } = all[0]!;
    expect(await entries(`?keyId=${keyId}`)).toEqual(all.filter((entry) => entry.keyId === keyId));
    expect(await entries('?operation=createApiKey')).toHaveLength(1);
    expect(await entries(`?since=${all[0]!.at}`)).toContainEqual(all[0]);
    expect(await entries(`?until=${all.at(-1)!.at}`)).toEqual([]);
    const { body } = await app.admin.get('/v1/audit-log?limit=2').expect(200);
    expect(await entries(`?limit=250&cursor=${body.nextCursor}`)).toEqual(all.slice(2));
  });

  it('is closed to keys of one customer and to other scopes', async () => {
    await app
      .as(await app.createKey(['admin'], 'acme'))
      .get('/v1/audit-log')
      .expect(403);
    await app
      .as(await app.createKey(['read']))
      .get('/v1/audit-log')
      .expect(403);
  });

  it('forgets an erased customer, but for its erasure', async () => {
    await app.admin.delete('/v1/customers/acme').expect(200);
    expect(await entries('?customerId=acme')).toMatchObject([
      { operation: 'eraseCustomer', target: { customerId: 'acme' } },
    ]);
  });

  it('loses what is too old, in batches', async () => {
    const nowMs = Date.now();
    const { prisma } = app.database;
    const addAt = (atMs: number) =>
      createAuditStore({ prisma, clock: { nowMs: () => atMs } }).add({
        keyId: createUuidV7(nowMs),
        portalLinkId: null,
        operation: 'old',
        target: {},
        members: [],
        customerId: null,
        requestId: '',
        address: null,
        userAgent: null,
      });
    await addAt(nowMs - 2_000);
    await addAt(nowMs - 1_000);
    const store = createAuditStore(app.database);
    expect(await store.removeBefore(nowMs - 1_000)).toBe(1);
    expect(await entries('?operation=old')).toHaveLength(1);
  });
});

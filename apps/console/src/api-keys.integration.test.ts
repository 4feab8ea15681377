import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

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
beforeEach(() => app.clear());

it('creates a key that works, shows it once, and lists it by its hint', async () => {
  await app.putCustomer('acme');
  const { body } = await app.admin
    .post('/v1/api-keys')
    .send({ name: 'acme reader', scopes: ['read'], customerId: 'acme' })
    .expect(201);
  const { key, ...apiKey } = body;
  expect(apiKey).toEqual({
    id: expect.stringMatching(/^key_[0-9a-z]{26}$/),
    name: 'acme reader',
    scopes: ['read'],
    customerId: 'acme',
    rateLimit: null,
    hint: key.slice(0, 10),
    createdAt: expect.any(String),
    lastUsedAt: null,
  });
  await app.as(key).get('/v1/events').expect(200);
  const list = await app.admin.get('/v1/api-keys').expect(200);
  expect(list.body.data).toContainEqual(expect.objectContaining({ id: apiKey.id, hint: apiKey.hint }));
  expect(list.text).not.toContain(key);
});

it('gives a repeat with the same Idempotency-Key the same key, once made and sealed in the database', async () => {
  const create = (body: object) =>
    app.admin.post('/v1/api-keys').set('Idempotency-Key', 'for the backend').send(body);
  const { body: first } = await create({ scopes: ['read'] }).expect(201);
  expect((await create({ scopes: ['read'] }).expect(201)).body).toEqual(first);
  expect((await create({ scopes: ['admin'] }).expect(409)).body.code).toBe('idempotency_conflict');
  expect((await app.admin.get('/v1/api-keys').expect(200)).body.data).toHaveLength(2);
  const { rows } = await app.database.pool.query<{ sealed: Buffer }>('SELECT sealed FROM idempotent_answer');
  expect(rows.map(({ sealed }) => sealed.toString('latin1')).join()).not.toContain(first.key);
});

it('revokes a key: it is listed no more and cannot be revoked again', async () => {
  const { id } = (
    await app.admin
      .post('/v1/api-keys')
      .send({ scopes: ['admin'] })
      .expect(201)
  ).body;
  await app.admin.delete(`/v1/api-keys/${id}`).expect(204);
  await app.admin.delete(`/v1/api-keys/${id}`).expect(404);
  const { data } = (await app.admin.get('/v1/api-keys').expect(200)).body;
  expect(data.map((apiKey) => apiKey.id)).not.toContain(id);
});

it('makes a key with a rate limit of its own, and changes it and the name by a merge patch', async () => {
  const rateLimit = { max: 5, perSeconds: 1 };
  const { id } = (
    await app.admin
      .post('/v1/api-keys')
      .send({ name: 'one', scopes: ['read'], rateLimit })
      .expect(201)
  ).body;
  const patch = (body: object) => app.admin.patch(`/v1/api-keys/${id}`).send(body);
  expect((await patch({ rateLimit: { max: 9 } }).expect(200)).body).toMatchObject({
    id,
    name: 'one',
    scopes: ['read'],
    rateLimit: { max: 9, perSeconds: 1 },
  });
  expect((await patch({ name: 'two', rateLimit: null }).expect(200)).body).toMatchObject({
    name: 'two',
    rateLimit: null,
  });
  expect((await patch({ rateLimit: { max: 9 } }).expect(422)).body).toMatchObject({
    code: 'unprocessable',
    errors: [{ path: 'rateLimit.perSeconds' }],
  });
  for (const body of [{}, { scopes: ['admin'] }, { rateLimit: { max: 0 } }, { customerId: 'acme' }])
    await patch(body).expect(400);
  const { data } = (await app.admin.get('/v1/api-keys').expect(200)).body;
  expect(data).toContainEqual(expect.objectContaining({ id, name: 'two', rateLimit: null }));
  await app.admin.delete(`/v1/api-keys/${id}`).expect(204);
  await patch({ name: 'three' }).expect(404);
});

it('lists in pages, newest first', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 4; n++)
    ids.push((await app.admin.post('/v1/api-keys').send({ scopes: ['read'] })).body.id);
  const first = await app.admin.get('/v1/api-keys?limit=2').expect(200);
  const second = await app.admin.get(`/v1/api-keys?limit=2&cursor=${first.body.nextCursor}`).expect(200);
  const seen = [...first.body.data, ...second.body.data].map(({ id }) => id);
  expect(seen).toEqual(ids.toReversed());
});

it('refuses unknown scopes and fields, and a customer that does not exist', async () => {
  for (const body of [{ scopes: ['root'] }, { scopes: [] }, {}, { scopes: ['read'], customer: 'acme' }]) {
    expect((await app.admin.post('/v1/api-keys').send(body).expect(400)).body.code).toBe('invalid_request');
  }
  const refused = await app.admin
    .post('/v1/api-keys')
    .send({ scopes: ['read'], customerId: 'nobody' })
    .expect(422);
  expect(refused.body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'customerId' }] });
});

it('is for operators: no key, no scope and no restricted key get through', async () => {
  await app.putCustomer('acme');
  const { id } = (await app.admin.post('/v1/api-keys').send({ scopes: ['read'] })).body;
  for (const [agent, status] of [
    [app.anyone, 401],
    [app.as(await app.createKey(['read', 'events:write'])), 403],
    [app.as(await app.createKey(['admin'], 'acme')), 403],
  ] as const) {
    await agent.get('/v1/api-keys').expect(status);
    await agent
      .post('/v1/api-keys')
      .send({ scopes: ['admin'] })
      .expect(status);
    await agent.patch(`/v1/api-keys/${id}`).send({ name: 'mine' }).expect(status);
    await agent.delete(`/v1/api-keys/${id}`).expect(status);
  }
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const SCHEMA = { type: 'object', required: ['id'], properties: { id: { type: 'integer' }, b: {}, a: {} } };

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

const put = (name: string, body: object) => app.admin.put(`/v1/event-types/${name}`).send(body);

describe('the catalogue of event types', () => {
  it('creates, replaces, reads; what is left out is reset', async () => {
    const made = await put('order.made', { description: 'Made.', schema: SCHEMA, example: { id: 1 } }).expect(
      201,
    );
    expect(made.body).toEqual({
      name: 'order.made',
      description: 'Made.',
      schema: SCHEMA,
      example: { id: 1 },
      archivedAt: null,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect((await app.admin.get('/v1/event-types/order.made').expect(200)).body).toEqual(made.body);
    const replaced = await put('order.made', {}).expect(200);
    expect(replaced.body).toMatchObject({ description: null, schema: null, example: null });
  });

  it('lists them in pages, newest first', async () => {
    for (const name of ['list.a', 'list.b', 'list.c']) await put(name, {}).expect(201);
    const first = await app.admin.get('/v1/event-types?limit=2').expect(200);
    expect(first.body.data).toMatchObject([{ name: 'list.c' }, { name: 'list.b' }]);
    const second = await app.admin.get(`/v1/event-types?limit=1&cursor=${first.body.nextCursor}`).expect(200);
    expect(second.body.data).toMatchObject([{ name: 'list.a' }]);
    await app.admin.get('/v1/event-types?cursor=bm8').expect(400);
  });

  it('refuses a schema that cannot be used, and an example that does not fit', async () => {
    const unusable = await put('bad.schema', { schema: { type: 'money' } }).expect(422);
    expect(unusable.body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'schema.type' }] });
    const unfit = await put('bad.example', { schema: SCHEMA, example: { id: 'one' } }).expect(422);
    expect(unfit.body).toMatchObject({ errors: [{ path: 'example.id', message: 'must be integer' }] });
    await put('bad.shape', { schema: 'string' }).expect(400);
    await put('no%20name', {}).expect(400);
    await app.admin.get('/v1/event-types/bad.schema').expect(404);
  });

  it('refuses a schema and an example that are nested too deeply', async () => {
    const nested = (name: string) => `${`{"${name}":`.repeat(8_000)}{}${'}'.repeat(8_000)}`;
    for (const [path, value] of [
      ['schema', nested('not')],
      ['schema', `{"const":${nested('a')}}`],
      ['example', nested('a')],
    ]) {
      const refused = await app.admin
        .put('/v1/event-types/bad.deep')
        .set('Content-Type', 'application/json')
        .send(`{"${path}":${value}}`)
        .expect(422);
      expect(refused.body).toMatchObject({
        errors: [{ path, message: expect.stringContaining('nested too deeply') }],
      });
    }
  });

  it('names the pattern that cannot be checked in linear time', async () => {
    const refused = await put('bad.pattern', { schema: { properties: { a: { pattern: '^(?!x)' } } } }).expect(
      422,
    );
    expect(refused.body).toMatchObject({
      errors: [{ path: 'schema.properties.a.pattern', message: expect.stringContaining('lookarounds') }],
    });
    await put('good.pattern', { schema: { pattern: '^(a+)+$' }, example: 'aaa' }).expect(201);
  });

  it('archives an entry, which every list but the portal’s can show, and takes it back', async () => {
    await put('old.fashioned', { archived: true, description: 'Was.' }).expect(201);
    await put('new.fashioned', {}).expect(201);
    const { body: archived } = await app.admin.get('/v1/event-types/old.fashioned').expect(200);
    expect(archived).toMatchObject({ description: 'Was.', archivedAt: expect.stringMatching(/Z$/) });
    const again = await put('old.fashioned', { archived: true }).expect(200);
    expect(again.body.archivedAt).toBe(archived.archivedAt);

    const names = async (agent: Pick<TestConsole['admin'], 'get'>, query = '') =>
      (
        (await agent.get(`/v1/event-types?limit=250${query}`).expect(200)).body.data as unknown as {
          name: string;
        }[]
      )
        .map(({ name }) => name)
        .filter((name) => name.endsWith('.fashioned'));
    expect(await names(app.admin)).toEqual(['new.fashioned', 'old.fashioned']);
    expect(await names(app.admin, '&archived=true')).toEqual(['old.fashioned']);
    expect(await names(app.admin, '&archived=false')).toEqual(['new.fashioned']);
    await app.putCustomer('acme');
    const { url } = (await app.admin.post('/v1/customers/acme/portal-links').expect(201)).body;
    const opened = await app.anyone.post('/v1/portal/session').send({ token: url.split('#token=')[1] });
    const portal = app.as((opened.body as { token: string }).token);
    expect(await names(portal)).toEqual(['new.fashioned']);
    expect(await names(portal, '&archived=true')).toEqual(['new.fashioned']);
    await portal.get('/v1/event-types/old.fashioned').expect(200);

    await put('old.fashioned', {}).expect(200);
    expect(await names(portal)).toEqual(['new.fashioned', 'old.fashioned']);
  });

  it('deletes an entry, whose name can be put again', async () => {
    const made = await put('short.lived', { schema: SCHEMA, description: 'Once.' }).expect(201);
    await app.admin.delete('/v1/event-types/short.lived').expect(204);
    await app.admin.delete('/v1/event-types/short.lived').expect(404);
    await app.admin.delete('/v1/event-types/never.was').expect(404);
    await app.admin.get('/v1/event-types/short.lived').expect(404);
    const { body } = await app.admin.get('/v1/event-types?limit=250').expect(200);
    expect((body.data as unknown as { name: string }[]).map(({ name }) => name)).not.toContain('short.lived');
    const again = await put('short.lived', {}).expect(201);
    expect(again.body).toMatchObject({ description: null, schema: null, archivedAt: null });
    expect(Date.parse(again.body.createdAt)).toBeGreaterThanOrEqual(Date.parse(made.body.createdAt));
    const { rows } = await app.database.pool.query<{ operation: string }>(
      "SELECT operation FROM audit_entry WHERE target ->> 'name' = 'short.lived' ORDER BY id",
    );
    expect(rows.map(({ operation }) => operation)).toEqual([
      'putEventType',
      'deleteEventType',
      'putEventType',
    ]);
  });

  it('is read with any reading key, and changed by operators only', async () => {
    await app.putCustomer('acme');
    await put('seen.by-all', {}).expect(201);
    const reader = app.as(await app.createKey(['read'], 'acme'));
    await reader.get('/v1/event-types/seen.by-all').expect(200);
    await reader.get('/v1/event-types').expect(200);
    await reader.put('/v1/event-types/seen.by-all').send({}).expect(403);
    await app
      .as(await app.createKey(['admin'], 'acme'))
      .put('/v1/event-types/seen.by-all')
      .send({})
      .expect(403);
    await app
      .as(await app.createKey(['events:write']))
      .get('/v1/event-types')
      .expect(403);
    await app.anyone.get('/v1/event-types').expect(401);
  });
});

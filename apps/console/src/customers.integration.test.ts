import { encodeId } from '@posthorn/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';
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

describe('PUT /v1/customers/{customerId}', () => {
  const settings = {
    name: 'Acme Inc.',
    metadata: { plan: 'gold' },
    notificationUrl: 'https://acme.example/ops',
    limits: { maxInFlight: 5, rateLimit: { max: 10, perSeconds: 1 }, maxEndpoints: 2 },
  };

  it('creates a customer with 201, then replaces it with 200 and resets what is left out', async () => {
    const created = await app.admin.put('/v1/customers/acme').send(settings).expect(201);
    expect(created.body).toEqual({
      id: 'acme',
      ...settings,
      notificationSecret: expect.stringMatching(/^whsec_/),
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    const replaced = await app.admin.put('/v1/customers/acme').send({ name: 'Acme' }).expect(200);
    expect(replaced.body).toMatchObject({
      name: 'Acme',
      metadata: {},
      notificationUrl: null,
      limits: { maxInFlight: null, rateLimit: null, maxEndpoints: null },
      createdAt: created.body.createdAt,
    });
    const got = await app.admin.get('/v1/customers/acme').expect(200);
    expect(got.body).toEqual(replaced.body);
  });

  it('refuses fields it does not know, ids that cannot be one, and a notification URL that nothing is sent to', async () => {
    const unknown = await app.admin.put('/v1/customers/acme').send({ nmae: 'Acme' }).expect(400);
    expect(unknown.type).toBe('application/problem+json');
    expect(unknown.body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'nmae' }] });
    await app.admin.put('/v1/customers/a%3Ab').send({}).expect(400);
    const refused = await app.admin
      .put('/v1/customers/acme')
      .send({ notificationUrl: 'https://refused.example/' })
      .expect(422);
    expect(refused.body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'notificationUrl' }] });
    await app.admin.get('/v1/customers/acme').expect(404);
  });

  it('shows the secret of a notificationUrl once, and its endpoint nowhere', async () => {
    const put = (notificationUrl: string | null) =>
      app.admin.put('/v1/customers/acme').send({ notificationUrl });
    const secretOf = (answer: { body: unknown }) =>
      (answer.body as { notificationSecret?: string }).notificationSecret;
    expect(secretOf(await put(null).expect(201))).toBeUndefined();
    const first = secretOf(await put('https://acme.example/one').expect(200));
    expect(first).toMatch(/^whsec_/);
    expect(secretOf(await put('https://acme.example/one').expect(200))).toBeUndefined();
    expect(secretOf(await put('https://acme.example/two').expect(200))).toBeUndefined();
    const { text } = await app.admin.get('/v1/customers/acme').expect(200);
    expect(text).not.toContain('Secret');
    expect((await app.admin.get('/v1/customers/acme/endpoints').expect(200)).body.data).toEqual([]);
    const { rows } = await app.database.pool.query<{ id: string; url: string }>(
      'SELECT id, url FROM endpoint',
    );
    expect(rows).toEqual([{ id: expect.any(String), url: 'https://acme.example/two' }]);
    await app.admin.get(`/v1/endpoints/${encodeId('ep', rows[0]!.id)}`).expect(404);

    await put(null).expect(200);
    const second = secretOf(await put('https://acme.example/two').expect(200));
    expect(second).toMatch(/^whsec_/);
    expect(second).not.toBe(first);
  });

  it('gives the operator’s customer no notificationUrl', async () => {
    await app.admin.put('/v1/customers/posthorn').send({ name: 'Operations' }).expect(201);
    const refused = await app.admin
      .put('/v1/customers/posthorn')
      .send({ notificationUrl: 'https://acme.example/' })
      .expect(422);
    expect(refused.body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'notificationUrl' }] });
  });

  it('refuses the id of a customer that is being erased', async () => {
    await app.putCustomer('acme');
    await app.database.pool.query('UPDATE customer SET erased_at = now()');
    const refused = await app.admin.put('/v1/customers/acme').send({}).expect(409);
    expect(refused.body.code).toBe('conflict');
    await app.admin.get('/v1/customers/acme').expect(404);
  });
});

describe('GET /v1/customers', () => {
  it('lists all customers in pages, newest first', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await app.putCustomer(id);
    await app.database.pool.query(`UPDATE customer SET created_at = '2026-01-01' WHERE id < 'e'`);
    const first = await app.admin.get('/v1/customers?limit=3').expect(200);
    const second = await app.admin.get(`/v1/customers?limit=3&cursor=${first.body.nextCursor}`).expect(200);
    expect(idsOf(first.body)).toEqual(['e', 'd', 'c']);
    expect(idsOf(second.body)).toEqual(['b', 'a']);
    expect(second.body.nextCursor).toBeNull();
  });

  it('refuses a cursor that was tampered with, and one of another list', async () => {
    for (const id of ['a', 'b']) await app.putCustomer(id);
    const { nextCursor } = (await app.admin.get('/v1/customers?limit=1').expect(200)).body;
    const otherList = Buffer.from(
      JSON.stringify(['api-keys', '01890000-0000-7000-8000-000000000000']),
    ).toString('base64url');
    const injected = Buffer.from(JSON.stringify(['customers', '2026-01-01', "b' OR true"])).toString(
      'base64url',
    );
    for (const cursor of [`${nextCursor}A`, nextCursor.slice(2), 'AAAA', otherList, injected]) {
      const refused = await app.admin.get(`/v1/customers?cursor=${cursor}`).expect(400);
      expect(refused.body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'cursor' }] });
    }
    await app.admin.get('/v1/customers?colour=red').expect(400);
    await app.admin.get('/v1/customers?limit=251').expect(400);
  });
});

describe('DELETE /v1/customers/{customerId}', () => {
  it('erases the customer with everything of it and answers with the receipt', async () => {
    await app.putCustomer('acme');
    await app.admin.post('/v1/customers/acme/endpoints').send({ url: 'https://acme.example/' }).expect(201);
    const own = await app.createKey(['read'], 'acme');
    const receipt = await app.admin.delete('/v1/customers/acme').expect(200);
    expect(receipt.body).toEqual({
      customerId: 'acme',
      erasedAt: expect.stringMatching(/Z$/),
      removed: expect.objectContaining({ endpoints: 1, apiKeys: 1, events: 0 }),
    });
    await app.admin.get('/v1/customers/acme').expect(404);
    await app.admin.delete('/v1/customers/acme').expect(404);
    await app.as(own).get('/v1/events').expect(401);
    await app.admin.put('/v1/customers/acme').send({}).expect(201);
  });
});

describe('DELETE /v1/customers/{customerId} of many customers', () => {
  it('leaves connections to everybody else, and refuses what would wait too long', async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `many-${n}`);
    for (const id of ids) await app.putCustomer(id);
    const holder = await app.database.pool.connect();
    await holder.query('BEGIN; LOCK TABLE erasure IN SHARE MODE');
    const answered: object[] = [];
    const asked = ids.map(async (id) => {
      const { body, headers } = await app.admin.delete(`/v1/customers/${id}`);
      answered.push({ code: body.code, retryAfter: headers['retry-after'] });
    });
    const erasing = async () =>
      (
        await app.database.pool.query<{ n: number }>(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
      ).rows[0]!.n;
    // Two are erased, twenty wait.
    await waitUntil(() => answered.length === 8);
    await waitUntil(async () => (await erasing()) === 2);
    expect(answered).toEqual(Array<object>(8).fill({ code: 'unavailable', retryAfter: '1' }));
    expect((await app.admin.get('/v1/customers').expect(200)).body.data).not.toEqual([]);
    expect(await erasing()).toBe(2);
    await holder.query('ROLLBACK');
    holder.release();
    await Promise.all(asked);
    expect(answered.slice(8)).toEqual(Array<object>(22).fill({}));
  });
});

describe('DELETE /v1/customers/posthorn', () => {
  it('is refused: operational events need it', async () => {
    await app.putCustomer('posthorn');
    const refused = await app.admin.delete('/v1/customers/posthorn').expect(409);
    expect(refused.body.code).toBe('conflict');
    await app.admin.get('/v1/customers/posthorn').expect(200);
  });
});

describe('who may', () => {
  it('needs a key, the scope admin, and for changes a key of the operator', async () => {
    await app.putCustomer('acme');
    const anyone = await app.anyone.get('/v1/customers/acme').expect(401);
    expect(anyone.body.code).toBe('unauthorized');
    await app
      .as(`phk_${'x'.repeat(43)}`)
      .get('/v1/customers/acme')
      .expect(401);
    const reader = app.as(await app.createKey(['read', 'events:write']));
    expect((await reader.get('/v1/customers/acme').expect(403)).body.code).toBe('forbidden');
    await reader.put('/v1/customers/acme').send({}).expect(403);

    const restricted = app.as(await app.createKey(['admin'], 'acme'));
    await restricted.put('/v1/customers/acme').send({}).expect(403);
    await restricted.delete('/v1/customers/acme').expect(403);
  });

  it('shows a restricted key its own customer and nothing of another', async () => {
    for (const id of ['acme', 'other']) await app.putCustomer(id);
    const restricted = app.as(await app.createKey(['admin'], 'acme'));
    expect((await restricted.get('/v1/customers/acme').expect(200)).body.id).toBe('acme');
    expect(idsOf((await restricted.get('/v1/customers').expect(200)).body)).toEqual(['acme']);
    const notYours = await restricted.get('/v1/customers/other').expect(404);
    const notThere = await restricted.get('/v1/customers/nobody').expect(404);
    expect({ ...notYours.body, requestId: '' }).toEqual({ ...notThere.body, requestId: '' });
  });
});

function idsOf(page: { data: { id: string }[] }): string[] {
  return page.data.map(({ id }) => id);
}

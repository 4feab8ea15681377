import { randomBytes } from 'node:crypto';
import { decodeId, deliveryIdOf, createUuidV7 } from '@posthorn/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const unknownId = 'ep_01h455vb4pex5vsknk084sn02q';
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
beforeEach(async () => {
  await app.clear();
  await app.putCustomer('acme');
});

describe('POST /v1/customers/{customerId}/endpoints', () => {
  it('answers with the whole endpoint and, this once, its secret', async () => {
    const settings = {
      url: 'https://acme.example/hooks',
      eventTypes: ['invoice.*', 'charge.failed'],
      description: 'Billing',
      signing: { scheme: 'standard' },
      retryPolicy: { preset: 'patient', maxAttempts: 3 },
      maxInFlight: 3,
      rateLimit: { max: 5, perSeconds: 60 },
    };
    const { body } = await app.admin
      .post('/v1/customers/acme/endpoints')
      .send({ ...settings, headers: { Authorization: 'Bearer open-sesame' } })
      .expect(201);
    const { secret, ...endpoint } = body;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(endpoint).toEqual({
      id: expect.stringMatching(/^ep_[0-9a-z]{26}$/),
      customerId: 'acme',
      ...settings,
      headers: { Authorization: '********' },
      status: 'enabled',
      disabledReason: null,
      failingSince: null,
      breaker: { state: 'closed', openUntil: null },
      healthScore: 100,
      secrets: [{ createdAt: expect.any(String), expiresAt: null }],
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    const got = await app.admin.get(`/v1/endpoints/${endpoint.id}`).expect(200);
    expect(got.body).toEqual(endpoint);
    const list = await app.admin.get('/v1/customers/acme/endpoints').expect(200);
    expect(list.body).toEqual({ data: [endpoint], nextCursor: null });
  });

  it('fills in defaults', async () => {
    const { body } = await create({ url: 'https://acme.example/' });
    expect(body).toMatchObject({
      eventTypes: ['*'],
      description: null,
      headers: {},
      signing: { scheme: 'standard' },
      retryPolicy: null,
      maxInFlight: null,
      rateLimit: null,
    });
  });

  it.each([
    ['an unknown field', { url: 'https://a.example/', color: 'red' }, 'color'],
    ['no URL', { eventTypes: ['*'] }, 'url'],
    ['a filter that is none', { url: 'https://a.example/', eventTypes: ['a..b'] }, 'eventTypes.0'],
    ['a header that is ours', { url: 'https://a.example/', headers: { 'Webhook-Id': 'x' } }, 'headers'],
    [
      'a header with a line break',
      { url: 'https://a.example/', headers: { 'X-A': 'b\r\nHost: c' } },
      'headers',
    ],
    [
      'a policy that contradicts itself',
      { url: 'https://a.example/', retryPolicy: { delaysSeconds: [1], factor: 2 } },
      'retryPolicy',
    ],
    ['text that Postgres cannot keep', { url: 'https://a.example/', description: 'a\u0000b' }, 'description'],
  ])('refuses %s', async (_, settings, path) => {
    const refused = await app.admin.post('/v1/customers/acme/endpoints').send(settings).expect(400);
    expect(refused.body).toMatchObject({ code: 'invalid_request', errors: [{ path }] });
  });

  it('refuses a target that nothing is sent to', async () => {
    const refused = await app.admin
      .post('/v1/customers/acme/endpoints')
      .send({ url: 'https://refused.example/' })
      .expect(422);
    expect(refused.body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'url' }] });
    expect((await app.admin.get('/v1/customers/acme/endpoints').expect(200)).body.data).toEqual([]);
  });

  it('refuses one more than the customer may have', async () => {
    await app.admin.put('/v1/customers/acme').send({ limits: { maxEndpoints: 1 } });
    await create();
    const refused = await app.admin
      .post('/v1/customers/acme/endpoints')
      .send({ url: 'https://a.example/' })
      .expect(409);
    expect(refused.body).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('at most 1 endpoints'),
    });
  });

  it('refuses one more than the default where the customer has no limit of its own, in the portal too', async () => {
    const target = { url: 'https://a.example/', eventTypes: ['*'] };
    const path = '/v1/customers/acme/endpoints';
    // 20 in these tests.
    const made = await Promise.all(Array.from({ length: 24 }, () => app.admin.post(path).send(target)));
    expect(made.filter(({ body }) => body.code === 'conflict')).toHaveLength(4);
    expect(made.filter(({ body }) => 'secret' in body)).toHaveLength(20);
    const { body: link } = await app.admin.post('/v1/customers/acme/portal-links').expect(201);
    const token = new URL(link.url).hash.slice('#token='.length);
    const { body: session } = await app.anyone.post('/v1/portal/session').send({ token }).expect(201);
    const portal = app.as(session.token);
    await portal.post(path).send(target).expect(409);
    await portal
      .put('/v1/customers/acme')
      .send({ limits: { maxEndpoints: 100 } })
      .expect(403);
    await app.admin
      .put('/v1/customers/acme')
      .send({ limits: { maxEndpoints: 21 } })
      .expect(200);
    await portal.post(path).send(target).expect(201);
    await portal.post(path).send(target).expect(409);
  });

  it('gives repeats with the same Idempotency-Key the first answer, its secret included, and makes one', async () => {
    const create = (body: object) =>
      app.admin.post('/v1/customers/acme/endpoints').set('Idempotency-Key', 'the first').send(body);
    const settings = { url: 'https://a.example/', eventTypes: ['*'] };
    const answers = await Promise.all(Array.from({ length: 4 }, () => create(settings).expect(201)));
    const [{ body: first }] = answers as [(typeof answers)[0]];
    expect(first.secret).toMatch(/^whsec_/);
    for (const { body } of answers) expect(body).toEqual(first);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(3);
    expect((await app.admin.get('/v1/customers/acme/endpoints').expect(200)).body.data).toHaveLength(1);
    const other = { ...settings, url: 'https://b.example/' };
    expect((await create(other).expect(409)).body.code).toBe('idempotency_conflict');
  });

  it('does not know a customer that was never made', async () => {
    await app.admin.post('/v1/customers/nobody/endpoints').send({ url: 'https://a.example/' }).expect(404);
    await app.admin.get('/v1/customers/nobody/endpoints').expect(404);
  });
});

describe('GET /v1/customers/{customerId}/endpoints', () => {
  it('gives pages, newest first', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await create()).body.id);
    const first = await app.admin.get('/v1/customers/acme/endpoints?limit=3').expect(200);
    const second = await app.admin
      .get(`/v1/customers/acme/endpoints?limit=3&cursor=${first.body.nextCursor}`)
      .expect(200);
    const seen = [...first.body.data, ...second.body.data].map(({ id }) => id);
    expect(seen).toEqual(ids.toReversed());
    expect(second.body.nextCursor).toBeNull();
  });
});

describe('PATCH /v1/endpoints/{endpointId}', () => {
  it('merges: what is left out stays, null resets, header values are kept though never shown', async () => {
    const { id } = (
      await create({
        url: 'https://acme.example/',
        eventTypes: ['a'],
        description: 'one',
        headers: { 'X-Keep': 'kept', 'X-Drop': 'dropped' },
        rateLimit: { max: 5, perSeconds: 60 },
        retryPolicy: { preset: 'fast' },
      })
    ).body;
    const patched = await app.admin
      .patch(`/v1/endpoints/${id}`)
      .set('Content-Type', 'application/merge-patch+json')
      .send(
        JSON.stringify({
          eventTypes: null,
          headers: { 'X-Drop': null, 'X-New': 'new' },
          rateLimit: { max: 9 },
          retryPolicy: { maxAttempts: 2 },
        }),
      )
      .expect(200);
    expect(patched.body).toMatchObject({
      url: 'https://acme.example/',
      eventTypes: ['*'],
      description: 'one',
      headers: { 'X-Keep': '********', 'X-New': '********' },
      rateLimit: { max: 9, perSeconds: 60 },
      retryPolicy: { preset: 'fast', maxAttempts: 2 },
    });
    expect(JSON.stringify(patched.body)).not.toMatch(/kept|dropped|X-Drop/);
    expect((await app.admin.get(`/v1/endpoints/${id}`).expect(200)).body).toEqual(patched.body);
  });

  it('refuses a patch whose result would not be valid, and leaves the endpoint as it was', async () => {
    const { id } = (await create({ url: 'https://acme.example/', retryPolicy: { delaysSeconds: [1, 2] } }))
      .body;
    const before = (await app.admin.get(`/v1/endpoints/${id}`)).body;
    for (const [patch, path] of [
      [{ retryPolicy: { factor: 3 } }, 'retryPolicy'],
      [{ rateLimit: { max: 3 } }, 'rateLimit.perSeconds'],
      [{ url: 'https://refused.example/' }, 'url'],
    ] as const) {
      const refused = await app.admin.patch(`/v1/endpoints/${id}`).send(patch).expect(422);
      expect(refused.body).toMatchObject({ code: 'unprocessable', errors: [{ path }] });
    }
    expect((await app.admin.get(`/v1/endpoints/${id}`)).body).toEqual(before);
  });

  it('changes the signing scheme, and with it the algorithm', async () => {
    const url = 'https://acme.example/hooks';
    const { id } = (await create({ url, signing: { scheme: 'digest', algorithm: 'sha512' } })).body;
    const patch = async (signing: unknown) =>
      (await app.admin.patch(`/v1/endpoints/${id}`).send({ signing }).expect(200)).body;
    expect(await patch({ scheme: 'timestamped' })).toMatchObject({ signing: { scheme: 'timestamped' } });
    expect(await patch({ scheme: 'digest' })).toMatchObject({
      signing: { scheme: 'digest', algorithm: 'sha256' },
    });
    expect(await patch({ algorithm: 'sha512' })).toMatchObject({
      signing: { scheme: 'digest', algorithm: 'sha512' },
    });
    const got = await app.admin.get(`/v1/endpoints/${id}`).expect(200);
    expect(got.body).toMatchObject({ signing: { scheme: 'digest', algorithm: 'sha512' } });
    await patch(null);
    const refused = await app.admin
      .patch(`/v1/endpoints/${id}`)
      .send({ signing: { algorithm: 'sha256' } })
      .expect(422);
    expect(refused.body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'signing' }] });
  });

  it('refuses unknown fields, an empty patch, and the mask as a header’s value', async () => {
    const { id } = (await create()).body;
    for (const patch of [{ customerId: 'other' }, {}, { headers: { 'X-A': '********' } }, { url: null }]) {
      const refused = await app.admin.patch(`/v1/endpoints/${id}`).send(patch).expect(400);
      expect(refused.body.code).toBe('invalid_request');
    }
  });

  it('keeps a target that was allowed when it was set, while other settings change', async () => {
    const { id } = (await create()).body;
    await app.database.pool.query(`UPDATE endpoint SET url = 'https://refused.example/'`);
    await app.admin.patch(`/v1/endpoints/${id}`).send({ description: 'x' }).expect(200);
  });
});

describe('DELETE /v1/endpoints/{endpointId}', () => {
  it('takes the endpoint away and cancels its unfinished deliveries', async () => {
    const { id } = (await create()).body;
    const eventId = createUuidV7(Date.now());
    const endpointId = decodeId('ep', id)!;
    await app.database.pool.query(
      `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, expires_at, created_at)
       VALUES ($1, $2, $3, 'acme', 'a', 'pending', now(), now(), now())`,
      [deliveryIdOf(eventId, endpointId), eventId, endpointId],
    );
    await app.admin.delete(`/v1/endpoints/${id}`).expect(204, '');
    await app.admin.get(`/v1/endpoints/${id}`).expect(404);
    await app.admin.patch(`/v1/endpoints/${id}`).send({ description: 'x' }).expect(404);
    await app.admin.delete(`/v1/endpoints/${id}`).expect(404);
    expect((await app.admin.get('/v1/customers/acme/endpoints')).body.data).toEqual([]);
    const { body } = await app.admin.get(`/v1/deliveries?endpointId=${id}`).expect(200);
    expect(body.data).toMatchObject([{ endpointId: id, status: 'cancelled', reason: 'endpoint_deleted' }]);
  });
});

describe('POST /v1/endpoints/{endpointId}/secret/rotate', () => {
  it('answers with a new secret this once and says until when the old one signs along', async () => {
    const { id, secret: first } = (await create()).body;
    const rotated = await app.admin
      .post(`/v1/endpoints/${id}/secret/rotate`)
      .send({ overlapSeconds: 3600 })
      .expect(200);
    expect(rotated.body).toEqual({
      secret: expect.stringMatching(/^whsec_/),
      createdAt: expect.any(String),
      previousExpiresAt: expect.any(String),
    });
    expect(rotated.body.secret).not.toBe(first);
    const got = await app.admin.get(`/v1/endpoints/${id}`).expect(200);
    expect(got.body.secrets).toEqual([
      { createdAt: rotated.body.createdAt, expiresAt: null },
      { createdAt: expect.any(String), expiresAt: rotated.body.previousExpiresAt },
    ]);
    expect(got.text).not.toContain('whsec_');
  });

  it('overlaps for a day without a body, and not at all when told so', async () => {
    const { id } = (await create()).body;
    const rotated = await app.admin.post(`/v1/endpoints/${id}/secret/rotate`).expect(200);
    const overlapMs = Date.parse(rotated.body.previousExpiresAt) - Date.now();
    expect(Math.abs(overlapMs - 86_400_000)).toBeLessThan(60_000);
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    const replaced = await app.admin
      .post(`/v1/endpoints/${id}/secret/rotate`)
      .send({ overlapSeconds: 0, secret })
      .expect(200);
    expect(replaced.body).toMatchObject({ secret, previousExpiresAt: null });
    expect((await app.admin.get(`/v1/endpoints/${id}`)).body.secrets).toHaveLength(1);
  });

  it('gives repeats with the same Idempotency-Key the first answer, sealed meanwhile, and rotates once', async () => {
    const { id } = (await create()).body;
    const rotate = (body: object) =>
      app.admin.post(`/v1/endpoints/${id}/secret/rotate`).set('Idempotency-Key', 'once').send(body);
    const answers = await Promise.all(Array.from({ length: 3 }, () => rotate({}).expect(200)));
    const [{ body: first }] = answers as [(typeof answers)[0]];
    for (const { body } of answers) expect(body).toEqual(first);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(2);
    expect((await app.admin.get(`/v1/endpoints/${id}`)).body.secrets).toHaveLength(2);
    expect((await rotate({ overlapSeconds: 0 }).expect(409)).body.code).toBe('idempotency_conflict');
    const { rows } = await app.database.pool.query(
      'SELECT FROM idempotent_answer WHERE position($1::bytea IN sealed) > 0',
      [Buffer.from(first.secret)],
    );
    expect(rows).toEqual([]);
    const { body: log } = await app.admin.get('/v1/audit-log?customerId=acme').expect(200);
    const ofThis = log.data.filter((entry) => JSON.stringify(entry).includes(id));
    expect(ofThis.filter(({ operation }) => operation === 'rotateSecret')).toHaveLength(1);
  });

  it('refuses a secret that is none, and more secrets at once than are signed with', async () => {
    const { id } = (await create()).body;
    for (const secret of ['hunter2', 'whsec_AAAA']) {
      const refused = await app.admin.post(`/v1/endpoints/${id}/secret/rotate`).send({ secret }).expect(400);
      expect(refused.body.code).toBe('invalid_request');
    }
    for (let n = 0; n < 4; n++) await app.admin.post(`/v1/endpoints/${id}/secret/rotate`).expect(200);
    const refused = await app.admin.post(`/v1/endpoints/${id}/secret/rotate`).expect(409);
    expect(refused.body.code).toBe('conflict');
    await app.admin.post(`/v1/endpoints/${id}/secret/rotate`).send({ overlapSeconds: 0 }).expect(200);
  });
});

describe('who may', () => {
  it('needs a key with the scope admin for each operation', async () => {
    const { id } = (await create()).body;
    const reader = app.as(await app.createKey(['read', 'events:write']));
    for (const [agent, status] of [
      [app.anyone, 401],
      [reader, 403],
    ] as const) {
      await agent.get('/v1/customers/acme/endpoints').expect(status);
      await agent.post('/v1/customers/acme/endpoints').send({ url: 'https://a.example/' }).expect(status);
      await agent.get(`/v1/endpoints/${id}`).expect(status);
      await agent.patch(`/v1/endpoints/${id}`).send({ description: 'x' }).expect(status);
      await agent.delete(`/v1/endpoints/${id}`).expect(status);
      await agent.post(`/v1/endpoints/${id}/secret/rotate`).expect(status);
    }
  });

  it('lets a restricted key manage its own endpoints; others’ are not there', async () => {
    await app.putCustomer('other');
    const { id } = (await create()).body;
    const own = app.as(await app.createKey(['admin'], 'acme'));
    await own.get('/v1/customers/acme/endpoints').expect(200);
    await own.post('/v1/customers/acme/endpoints').send({ url: 'https://a.example/' }).expect(201);
    await own.patch(`/v1/endpoints/${id}`).send({ description: 'x' }).expect(200);

    const foreign = app.as(await app.createKey(['admin'], 'other'));
    await foreign.get('/v1/customers/acme/endpoints').expect(404);
    await foreign.post('/v1/customers/acme/endpoints').send({ url: 'https://a.example/' }).expect(404);
    await foreign.get(`/v1/endpoints/${id}`).expect(404);
    await foreign.patch(`/v1/endpoints/${id}`).send({ description: 'y' }).expect(404);
    await foreign.post(`/v1/endpoints/${id}/secret/rotate`).expect(404);
    await foreign.delete(`/v1/endpoints/${id}`).expect(404);
    expect((await app.admin.get(`/v1/endpoints/${id}`)).body).toMatchObject({
      description: 'x',
      secrets: [{ expiresAt: null }],
    });
  });

  it('answers 404 for ids that are unknown or none', async () => {
    for (const id of [unknownId, 'evt_01h455vb4pex5vsknk084sn02q', 'ep_1', '..']) {
      await app.admin.get(`/v1/endpoints/${encodeURIComponent(id)}`).expect(404);
    }
  });
});

function create(settings: object = { url: 'https://acme.example/hooks' }) {
  return app.admin.post('/v1/customers/acme/endpoints').send(settings).expect(201);
}

import { describe, expect, it } from '@jest/globals';
import request from 'supertest';

import { keys, testApp } from './test-support/test-app.js';

const echo = (input: unknown) => Promise.resolve({ status: 200, body: input });
const { app } = testApp({
  listCustomers: echo,
  getCustomer: echo,
  putCustomer: echo,
  createEndpoint: echo,
  getEndpoint: echo,
  patchEndpoint: echo,
  rotateSecret: echo,
  listDeliveries: echo,
  deleteEndpoint: () => Promise.resolve({ status: 204 }),
  getEvent: () => Promise.resolve({ status: 200, json: '{"data":12345678901234567890}' }),
});
const endpointId = 'ep_01h455vb4pex5vsknk084sn02q';
const endpointUuid = '01890a5d-ac96-774b-bcce-b302099a8057';
const bearer = (key: string): [string, string] => ['Authorization', `Bearer ${key}`];

describe('an operation', () => {
  it('needs a key that is known', async () => {
    for (const header of [
      undefined,
      'Basic abc',
      'Bearer abc',
      `Bearer phk_${'x'.repeat(43)}`,
      `Bearer ${keys.admin} x`,
    ]) {
      const answer = request(app).get('/v1/customers');
      const response = await (header === undefined ? answer : answer.set('Authorization', header));
      expect(response.status).toBe(401);
      expect(response.body).toMatchObject({ code: 'unauthorized', status: 401 });
      expect(response.headers['www-authenticate']).toContain('Bearer');
    }
  });

  it('needs its scope; admin has them all', async () => {
    expect(
      (
        await request(app)
          .get('/v1/customers')
          .set(...bearer(keys.reader))
      ).body,
    ).toMatchObject({ status: 403, code: 'forbidden' });
    expect(
      (
        await request(app)
          .get('/v1/deliveries')
          .set(...bearer(keys.reader))
      ).status,
    ).toBe(200);
    expect(
      (
        await request(app)
          .get('/v1/deliveries')
          .set(...bearer(keys.admin))
      ).status,
    ).toBe(200);
  });

  it('may be kept by no cache, whatever the answer', async () => {
    for (const [path, status] of [
      ['/v1/customers', 200],
      ['/v1/customers/a%20b', 404],
    ] as const) {
      const response = await request(app)
        .get(path)
        .set(...bearer(keys.admin));
      expect([response.status, response.headers['cache-control']]).toEqual([status, 'no-store']);
    }
  });

  it('that concerns all customers is closed to a key of one', async () => {
    const put = await request(app)
      .put('/v1/customers/acme')
      .set(...bearer(keys.acmeAdmin))
      .send({});
    expect(put.body).toMatchObject({ status: 403, code: 'forbidden' });
    expect(
      (
        await request(app)
          .get('/v1/customers/acme')
          .set(...bearer(keys.acmeAdmin))
      ).status,
    ).toBe(200);
  });

  it('hands over parameters, query and body as the contract says, with the caller', async () => {
    const response = await request(app)
      .get(`/v1/deliveries?limit=7&endpointId=${endpointId}&since=2026-01-01T00:00:00Z`)
      .set(...bearer(keys.reader))
      .set('X-Request-Id', 'abc-1');
    expect(response.body).toEqual({
      params: {},
      query: { limit: 7, endpointId: endpointUuid, since: Date.UTC(2026, 0, 1) },
      caller: { kind: 'key', id: 'reader', scopes: ['read'], customerId: null, rateLimit: null },
      idempotencyKey: null,
      lastEventId: null,
      requestId: 'abc-1',
      origin: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    });
    const created = await request(app)
      .post('/v1/customers/acme/endpoints')
      .set(...bearer(keys.admin))
      .send({ url: 'https://example.com' });
    expect(created.body).toMatchObject({ params: { customerId: 'acme' }, body: { eventTypes: ['*'] } });
  });

  it('answers 404 for a path that can name nothing, and 400 where the path names what is made', async () => {
    for (const path of [
      '/v1/endpoints/x',
      `/v1/endpoints/evt${endpointId.slice(2)}`,
      '/v1/customers/a%20b',
      '/v1/customers/a%00b',
    ]) {
      expect(
        (
          await request(app)
            .get(path)
            .set(...bearer(keys.admin))
        ).body,
      ).toMatchObject({ status: 404, code: 'not_found' });
    }
    const put = await request(app)
      .put('/v1/customers/a:b')
      .set(...bearer(keys.admin))
      .send({});
    expect(put.body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'customerId' }] });
  });

  it('refuses unknown and repeated query parameters', async () => {
    for (const query of ['unknown=1', 'limit=1&limit=2', 'limit[a]=1', 'limit', '__proto__=1']) {
      const response = await request(app)
        .get(`/v1/customers?${query}`)
        .set(...bearer(keys.admin));
      expect([query, response.status]).toEqual([query, 400]);
    }
  });

  it('reports all problems of a body at once', async () => {
    const response = await request(app)
      .post('/v1/customers/acme/endpoints')
      .set(...bearer(keys.admin))
      .send({ url: 'x', maxInFlight: '5', extra: 1 });
    expect(response.status).toBe(400);
    const { errors } = response.body as { errors: { path: string }[] };
    expect(errors.map(({ path }) => path).sort()).toEqual(['extra', 'maxInFlight', 'url']);
  });

  it('takes an absent body where the body is optional, and only there', async () => {
    const rotated = await request(app)
      .post(`/v1/endpoints/${endpointId}/secret/rotate`)
      .set(...bearer(keys.admin));
    expect(rotated.body).toMatchObject({ body: { overlapSeconds: 86_400 } });
    const created = await request(app)
      .post('/v1/customers/acme/endpoints')
      .set(...bearer(keys.admin));
    expect(created.status).toBe(415);
  });

  it('takes merge patches under both media types', async () => {
    for (const type of ['application/json', 'application/merge-patch+json; charset=UTF-8']) {
      const response = await request(app)
        .patch(`/v1/endpoints/${endpointId}`)
        .set(...bearer(keys.admin))
        .set('Content-Type', type)
        .send('{"description":null}');
      expect(response.body).toMatchObject({
        params: { endpointId: endpointUuid },
        body: { description: null },
      });
    }
  });

  it('can answer with nothing, or with JSON text that stays as it is', async () => {
    const deleted = await request(app)
      .delete(`/v1/endpoints/${endpointId}`)
      .set(...bearer(keys.admin));
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    const event = await request(app)
      .get('/v1/events/evt_01h455vb4pex5vsknk084sn02q')
      .set(...bearer(keys.admin));
    expect(event.text).toBe('{"data":12345678901234567890}');
    expect(event.headers['content-type']).toBe('application/json; charset=utf-8');
  });
});

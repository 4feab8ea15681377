import type { EndpointForDelivery } from '@posthorn/database';
import { createEndpointCache } from '@posthorn/delivery/attempt';
import { createEndpointDisabler } from '@posthorn/delivery/endpoint-health';
import { decodeId } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { createLogger } from '@posthorn/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const CUSTOMER = '/v1/customers/acme';
const EVENT_TYPE = '/v1/event-types/order.made';
const settings = { name: 'Acme', metadata: { plan: 'gold' }, limits: { maxInFlight: 5 } };
const eventType = { description: 'Made.', schema: { type: 'object' }, example: { id: 1 } };
const target = { url: 'https://a.example/', eventTypes: ['*'] };

let testDatabase: TestDatabase;
let app: TestConsole;
let endpoint: string;
let endpointId: string;

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
  await app.admin.put(CUSTOMER).send(settings);
  await app.admin.put(EVENT_TYPE).send(eventType);
  const { body } = await app.admin.post(`${CUSTOMER}/endpoints`).send(target).expect(201);
  endpoint = `/v1/endpoints/${body.id}`;
  endpointId = decodeId('ep', body.id) ?? '';
});

const updatedAt = async (path: string) => Date.parse((await app.admin.get(path).expect(200)).body.updatedAt);

/** Whether it moves: a time in the past stands where no write has been. */
async function moves(path: string, change: () => PromiseLike<unknown>): Promise<boolean> {
  const past = '2026-01-01T00:00:00Z';
  await app.database.pool.query(`
    ALTER TABLE customer DISABLE TRIGGER customer_settings;
    UPDATE customer SET settings_updated_at = '${past}';
    ALTER TABLE customer ENABLE TRIGGER customer_settings;
    UPDATE endpoint SET updated_at = '${past}';
    UPDATE event_type SET updated_at = '${past}'`);
  expect(await updatedAt(path)).toBe(Date.parse(past));
  await change();
  return (await updatedAt(path)) !== Date.parse(past);
}

describe('updatedAt of a customer', () => {
  it.each<[string, boolean, () => PromiseLike<unknown>]>([
    ['its name changes', true, () => put({ ...settings, name: 'Other' })],
    ['its metadata changes', true, () => put({ ...settings, metadata: {} })],
    ['its notificationUrl changes', true, () => put({ ...settings, notificationUrl: 'https://a.example/' })],
    ['its limits change', true, () => put({ ...settings, limits: { maxEndpoints: 7 } })],
    ['the same settings are put', false, () => put(settings)],
    ['an endpoint is made', false, () => app.admin.post(`${CUSTOMER}/endpoints`).send(target).expect(201)],
    [
      'an endpoint is changed',
      false,
      () =>
        app.admin
          .patch(endpoint)
          .send({ eventTypes: ['a'] })
          .expect(200),
    ],
    ['an endpoint is paused', false, () => app.admin.post(`${endpoint}/pause`).expect(200)],
    ['an endpoint is disabled by its answers', false, () => disable()],
    ['an endpoint is deleted', false, () => app.admin.delete(endpoint).expect(204)],
    ['an endpoint gets another secret', false, () => app.admin.post(`${endpoint}/secret/rotate`).send({})],
    [
      'one-shots get another secret',
      false,
      () => app.admin.post(`${CUSTOMER}/one-shot-secret/rotate`).send({}),
    ],
    ['a portal link is made', false, () => app.admin.post(`${CUSTOMER}/portal-links`).expect(201)],
  ])('when %s: %s', async (_, expected, change) => {
    expect(await moves(CUSTOMER, change)).toBe(expected);
  });

  const put = (body: object) => app.admin.put(CUSTOMER).send(body).expect(200);
});

describe('updatedAt of an endpoint', () => {
  it.each<[string, boolean, () => PromiseLike<unknown>]>([
    ['its settings change', true, () => app.admin.patch(endpoint).send({ description: 'x' }).expect(200)],
    ['a patch changes nothing', false, () => app.admin.patch(endpoint).send({ url: target.url }).expect(200)],
    ['it gets another secret', true, () => app.admin.post(`${endpoint}/secret/rotate`).send({}).expect(200)],
    ['it is paused', true, () => app.admin.post(`${endpoint}/pause`).expect(200)],
    ['its customer changes', false, () => app.admin.put(CUSTOMER).send({}).expect(200)],
    ['another one is made', false, () => app.admin.post(`${CUSTOMER}/endpoints`).send(target).expect(201)],
    [
      'its health changes',
      false,
      () =>
        app.database.pool.query(
          `INSERT INTO endpoint_health (endpoint_id, epoch, openings, draining, score, updated_at)
           SELECT id, health_epoch, 1, false, 1, now() FROM endpoint`,
        ),
    ],
  ])('when %s: %s', async (_, expected, change) => {
    expect(await moves(endpoint, change)).toBe(expected);
  });

  it('when it is disabled: true, and not with each answer after that', async () => {
    expect(await moves(endpoint, disable)).toBe(true);
    expect(await moves(endpoint, disable)).toBe(false);
  });
});

describe('updatedAt of an event type', () => {
  it.each<[string, boolean, object]>([
    ['its description changes', true, { ...eventType, description: 'x' }],
    ['its schema changes', true, { ...eventType, schema: {} }],
    ['its example goes', true, { ...eventType, example: null }],
    ['the same is put', false, eventType],
  ])('when %s: %s', async (_, expected, body) => {
    expect(await moves(EVENT_TYPE, () => app.admin.put(EVENT_TYPE).send(body).expect(200))).toBe(expected);
  });
});

/** What the worker does about a 410. */
async function disable(): Promise<void> {
  const { pool } = app.database;
  const endpoints = createEndpointCache(() => Promise.resolve(new Map<string, EndpointForDelivery>()));
  const logger = createLogger({ level: 'silent', role: 'test' });
  await createEndpointDisabler({ pool, endpoints, logger, holdLimitMs: 1_000 }).disable(endpointId, 'gone');
}

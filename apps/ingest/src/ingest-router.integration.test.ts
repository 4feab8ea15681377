import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createApiKeyStore,
  createCustomerStore,
  createEndpointStore,
  createEventTypeStore,
  createPortalLinkStore,
  type Database,
  ensurePartitions,
  type EventTypeStore,
  openDatabase,
} from '@posthorn/database';
import { decodeId } from '@posthorn/domain';
import {
  createApiKeyDirectory,
  createHttpApp,
  createIdentities,
  createPortalSessionDirectory,
} from '@posthorn/http';
import { createEventAcceptor, createRouteCache, type EventAcceptor } from '@posthorn/delivery/accept';
import { createDeliveryEnqueuer } from '@posthorn/delivery/enqueue';
import { createLogger, createSecretBox, generateKeyring, parseKeyring } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import type { Express } from 'express';
import request from 'supertest';

import { createEventSchemas, type EventSchemas } from './event-schemas.js';
import { createIngestRouter } from './ingest-router.js';
import { neverRefused, unlimited } from './test-support/no-limits.js';
import { noOneShots } from './test-support/no-one-shots.js';
import { openGate } from './test-support/open-gate.js';

const logger = createLogger({ level: 'silent', role: 'test' });
let testDatabase: TestDatabase;
let database: Database;
let acceptor: EventAcceptor;
let app: Express;
let writer: string;
let acmeWriter: string;
let eventTypes: EventTypeStore;
let schemas: EventSchemas;
let enqueued = 0;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({ url: testDatabase.url, poolMax: 4, logger });
  const { pool, prisma, clock } = database;
  await ensurePartitions(pool, { nowMs: Date.now() });
  const keyring = parseKeyring(generateKeyring());
  if (!keyring.ok) throw new Error(keyring.problem);
  const endpoints = createEndpointStore({ prisma, secretBox: createSecretBox(keyring.keys), clock });
  const customers = createCustomerStore({ prisma });
  const apiKeys = createApiKeyStore({ prisma, clock });
  eventTypes = createEventTypeStore({ prisma });
  acceptor = createEventAcceptor({
    pool,
    clock,
    routes: createRouteCache((customerId) => endpoints.readRoutes(customerId)),
    // The queue's part: everything here is about what is committed.
    enqueuer: createDeliveryEnqueuer(
      {
        enqueue: (jobs) => {
          enqueued += jobs.length;
          return Promise.resolve();
        },
      },
      logger,
    ),
    logger,
    idempotencyWindowHours: 24,
    retentionDays: 30,
  });
  schemas = createEventSchemas(eventTypes, logger);
  const directory = createApiKeyDirectory({ apiKeys, clock, logger });
  const portalSessions = createPortalSessionDirectory(createPortalLinkStore({ prisma, clock }));
  app = createHttpApp({
    logger,
    ingest: createIngestRouter({
      acceptor,
      identities: createIdentities({ apiKeys: directory, portalSessions, failedAttempts: neverRefused }),
      limits: unlimited,
      schemas,
      ...noOneShots,
      overload: openGate,
      logger,
    }),
    routers: [],
  });

  for (const id of ['acme', 'globex']) {
    const none = { name: null, metadata: null, notificationUrl: null, maxInFlight: null };
    await customers.put(id, { ...none, rateLimit: null, maxEndpoints: null });
  }
  await endpoints.create('acme', {
    url: 'https://example.com/hook',
    eventTypes: ['invoice.*'],
    description: null,
    headers: {},
    signing: { scheme: 'standard' },
    retryPolicy: null,
    maxInFlight: null,
    rateLimit: null,
  });
  const keyFor = async (customerId: string | null): Promise<string> => {
    const made = await apiKeys.create({ name: null, scopes: ['events:write'], customerId });
    if (made.kind !== 'created') throw new Error(made.kind);
    return made.key;
  };
  writer = await keyFor(null);
  acmeWriter = await keyFor('acme');
});

afterAll(async () => {
  await acceptor.close();
  await database.close();
  await testDatabase.drop();
});

const post = (path: string, key = writer) => request(app).post(path).set('Authorization', `Bearer ${key}`);
const event = { customerId: 'acme', type: 'invoice.paid', data: { total: 1 } };
const storedBody = async (id: string): Promise<string | undefined> => {
  const { rows } = await database.pool.query<{ body: string }>('SELECT body FROM event WHERE id = $1', [
    decodeId('evt', id),
  ]);
  return rows[0]?.body;
};

describe('ingest over Postgres', () => {
  it('has the event and its deliveries committed when it answers', async () => {
    const source = '{"n":12345678901234567890, "f":1.0,"u":"\\u0000"}';
    const response = await post('/v1/events')
      .set('Content-Type', 'application/json')
      .send(
        `{"customerId":"acme","type":"invoice.paid","timestamp":"2026-01-01T00:00:00Z","data":${source}}`,
      );
    expect(response.status).toBe(202);
    const { id } = response.body as { id: string };
    expect(response.body).toMatchObject({ deliveries: 1, timestamp: '2026-01-01T00:00:00.000Z' });
    expect(await storedBody(id)).toBe(
      `{"id":"${id}","type":"invoice.paid","timestamp":"2026-01-01T00:00:00.000Z","data":${source}}`,
    );
    const { rows } = await database.pool.query('SELECT status FROM delivery WHERE event_id = $1', [
      decodeId('evt', id),
    ]);
    expect(rows).toEqual([{ status: 'pending' }]);
    expect(enqueued).toBeGreaterThan(0);
  });

  it('keeps an event that matches no endpoint', async () => {
    const response = await post('/v1/events').send({ ...event, type: 'nobody.listens' });
    expect(response.body).toMatchObject({ deliveries: 0 });
    expect(await storedBody((response.body as { id: string }).id)).toBeDefined();
  });

  it('repeats the first answer for the same idempotency key and creates nothing', async () => {
    const send = () => post('/v1/events').set('Idempotency-Key', 'order-1').send(event);
    const answers = await Promise.all([send(), send(), send()]);
    const repeated = await send();
    expect(new Set([...answers, repeated].map(({ text }) => text)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(2);
    expect(repeated.headers['idempotent-replayed']).toBe('true');
    const conflict = await post('/v1/events')
      .set('Idempotency-Key', 'order-1')
      .send({ ...event, data: 2 });
    expect(conflict.body).toMatchObject({ status: 409, code: 'idempotency_conflict' });
  });

  it('repeats a whole batch under its key', async () => {
    const batch = { events: [event, { ...event, externalId: 'in_7' }, { ...event, customerId: 'nobody' }] };
    const first = await post('/v1/events/batch').set('Idempotency-Key', 'batch-1').send(batch);
    expect((first.body as { results: { status: number }[] }).results.map(({ status }) => status)).toEqual([
      202, 202, 404,
    ]);
    const second = await post('/v1/events/batch').set('Idempotency-Key', 'batch-1').send(batch);
    expect(second.text).toBe(first.text);
  });

  it('answers 404 for an unknown customer, and the same for another one’s by a restricted key', async () => {
    expect((await post('/v1/events').send({ ...event, customerId: 'nobody' })).status).toBe(404);
    expect((await post('/v1/events', acmeWriter).send({ ...event, customerId: 'globex' })).status).toBe(404);
    expect((await post('/v1/events', acmeWriter).send(event)).status).toBe(202);
  });

  it('accepts data nested 100,000 levels deep and keeps it', async () => {
    const data = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const response = await post('/v1/events')
      .set('Content-Type', 'application/json')
      .send(`{"customerId":"acme","type":"a","data":${data}}`);
    expect(response.status).toBe(202);
    expect(await storedBody((response.body as { id: string }).id)).toContain(`"data":${data}}`);
  });
});

describe('events whose type has a schema', () => {
  const put = async (schema: unknown, archived = false) => {
    await eventTypes.put('order.made', { description: null, schema, example: null, archived });
    // As the change feed does.
    schemas.onChange('event_type', 'order.made');
  };
  const order = (data: unknown) => ({ customerId: 'acme', type: 'order.made', data });

  it('are refused with the path of what does not fit, and stored when they fit', async () => {
    await put({ type: 'object', required: ['id'], properties: { lines: { items: { type: 'integer' } } } });
    const refused = await post('/v1/events').send(order({ id: 1, lines: [1, 'two'] }));
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      code: 'unprocessable',
      detail: 'The data does not fit the schema of order.made, which GET /v1/event-types/order.made shows.',
      errors: [{ path: 'data.lines.1', message: 'must be integer' }],
    });
    expect((await post('/v1/events').send(order({ lines: [] }))).body).toMatchObject({
      errors: [{ path: 'data', message: "must have required property 'id'" }],
    });
    expect((await post('/v1/events').send(order({ id: 1, lines: [1, 2] }))).status).toBe(202);
    expect((await post('/v1/events').send({ ...event, data: 'of another type' })).status).toBe(202);
  });

  it('are checked when the type is archived too, and not any more once it is deleted', async () => {
    await put({ type: 'object' }, true);
    expect((await post('/v1/events').send(order([]))).status).toBe(422);
    expect((await post('/v1/events').send(order({}))).status).toBe(202);
    await eventTypes.delete('order.made');
    schemas.onChange('event_type', 'order.made');
    expect((await post('/v1/events').send(order([]))).status).toBe(202);
  });

  it('are checked one by one in a batch', async () => {
    await put({ type: 'object' });
    const answer = await post('/v1/events/batch').send({ events: [order({}), order([]), order({})] });
    expect(answer.body).toMatchObject({
      results: [
        { status: 202 },
        { status: 422, code: 'unprocessable', errors: [{ path: 'data', message: 'must be object' }] },
        { status: 202 },
      ],
    });
  });

  it('are refused when they are nested too deeply to be checked, alone and in a batch', async () => {
    await put({ properties: { a: { $ref: '#' } } });
    const deep = `{"customerId":"acme","type":"order.made","data":${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}}`;
    const errors = [{ path: 'data', message: 'is nested too deeply to be checked; at most 100 levels are' }];
    const send = (path: string, body: string) =>
      post(path).set('Content-Type', 'application/json').send(body);
    const alone = await send('/v1/events', deep);
    expect([alone.status, alone.body]).toEqual([422, expect.objectContaining({ errors })]);
    const batch = await send('/v1/events/batch', `{"events":[${deep},${JSON.stringify(order({ a: 1 }))}]}`);
    expect(batch.body).toMatchObject({ results: [{ status: 422, errors }, { status: 202 }] });
  });

  it('are accepted unchecked when an earlier version has stored a schema that this one cannot use', async () => {
    await put({ properties: { a: { pattern: '^(?!x)' } }, required: ['a'] });
    expect((await post('/v1/events').send(order({}))).status).toBe(202);
  });

  it('are not checked any more when the schema is gone', async () => {
    await put({ type: 'object' });
    expect((await post('/v1/events').send(order([]))).status).toBe(422);
    await put(null);
    expect((await post('/v1/events').send(order([]))).status).toBe(202);
  });
});

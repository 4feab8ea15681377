import { once } from 'node:events';
import { connect } from 'node:net';
import { cancelDeliveries, closeDeliveries } from '@posthorn/database';
import { createUuidV7, deliveryIdOf, encodeId } from '@posthorn/domain';
import {
  createTestDatabase,
  openStream,
  type OpenStream,
  type TestDatabase,
  waitUntil,
} from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { startTestConsole, type TestConsole } from '../test-support/test-console.js';

type Queryable = Pick<pg.ClientBase, 'query'>;

const path = '/v1/customers/acme/stream';
const endpointId = createUuidV7(Date.now());
const streams: OpenStream[] = [];
let testDatabase: TestDatabase;
let app: TestConsole;
let key: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
});
afterAll(() => testDatabase.drop());
beforeEach(async () => {
  app = await startTestConsole(testDatabase.url, {
    stream: { everyMs: 20, heartbeatMs: 100, recheckMs: 50, perCustomerMax: 2, streamsMax: 3 },
  });
  await app.clear();
  await app.putCustomer('acme');
  await app.putCustomer('other');
  key = await app.createKey(['read']);
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  app.stopWaiting();
  await app.close();
});

/** Open, and told where it stands. */
async function listen(lastEventId?: string, token = key, at = path): Promise<OpenStream> {
  const stream = await openStream(`${app.origin}${at}`, { token, lastEventId });
  streams.push(stream);
  expect(stream.status).toBe(200);
  await waitUntil(() => stream.lastId());
  return stream;
}

async function create(client: Queryable = app.database.pool, customerId = 'acme'): Promise<string> {
  const eventId = createUuidV7(Date.now());
  const id = deliveryIdOf(eventId, endpointId);
  await client.query(
    `WITH made AS (
       INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
       VALUES ($1, $4, 'a.b', now(), now(), '{}', 1)
     )
     INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
     VALUES ($2, $1, $3, $4, 'a.b', 'pending', now(), now(), now() + interval '1 day')`,
    [eventId, id, endpointId, customerId],
  );
  return id;
}

async function attempt(id: string, status: 'delivered' | 'failed', client: Queryable = app.database.pool) {
  await client.query(
    `WITH attempted AS (
       INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, request_headers, started_at)
       SELECT id, attempts + 1, 'automatic', $2, 200, 5, '{}', now() FROM delivery WHERE id = $1
     )
     UPDATE delivery SET attempts = attempts + 1, status = CASE WHEN $2 = 'delivered' THEN 'delivered' ELSE 'dead_lettered' END,
            reason = 'exhausted', next_attempt_at = NULL, finished_at = now()
      WHERE id = $1`,
    [id, status],
  );
}

const told = (stream: OpenStream) =>
  stream.messages.map(({ event, data }) => [event, data['delivery']?.['id']].join(' '));
const say = (event: string, id: string) => `delivery.${event} ${encodeId('dlv', id)}`;

describe('GET /v1/customers/{customerId}/stream', () => {
  it('tells of deliveries and attempts of the customer as they are recorded', async () => {
    const stream = await listen();
    await create(app.database.pool, 'other');
    const [good, bad] = [await create(), await create()];
    await waitUntil(() => stream.messages.length === 2);
    await attempt(good, 'delivered');
    await waitUntil(() => stream.messages.length === 4);
    await attempt(bad, 'failed');
    await waitUntil(() => stream.messages.length === 6);
    expect(new Set(told(stream).slice(0, 2))).toEqual(new Set([say('created', good), say('created', bad)]));
    expect(told(stream).slice(2)).toEqual([
      say('attempted', good),
      say('delivered', good),
      say('attempted', bad),
      say('dead_lettered', bad),
    ]);
    expect(stream.messages[3]?.data).toMatchObject({
      delivery: { status: 'delivered', customerId: 'acme', attempts: 1, test: false },
      attempt: { number: 1, trigger: 'automatic', status: 'delivered', responseCode: 200, latencyMs: 5 },
    });
  });

  it('tells what ended without an attempt, and not what another customer’s did', async () => {
    const stream = await listen();
    const ids = [await create(), await create(), await create()] as const;
    const [cancelled, expired, reopened] = ids;
    const theirs = await create(app.database.pool, 'other');
    const { pool } = app.database;
    await cancelDeliveries(pool, [theirs, cancelled], ['pending'], 'requested');
    const closed = { id: expired, generation: 1, status: 'dead_lettered', reason: 'expired' } as const;
    await closeDeliveries(
      pool,
      [closed, { ...closed, id: reopened, status: 'held', reason: 'endpoint_paused' }],
      1,
    );
    await pool.query("UPDATE delivery SET status = 'pending', next_attempt_at = now() WHERE id = $1", [
      reopened,
    ]);
    const ends = [say('cancelled', cancelled), say('dead_lettered', expired)];
    await waitUntil(() => ends.every((line) => told(stream).includes(line)));
    await attempt(reopened, 'delivered');
    await waitUntil(() => told(stream).includes(say('delivered', reopened)));
    expect(told(stream).filter((line) => !line.startsWith('delivery.created'))).toEqual([
      ...ends,
      say('attempted', reopened),
      say('delivered', reopened),
    ]);
    expect(stream.messages.find(({ event }) => event === 'delivery.cancelled')?.data).toEqual({
      delivery: expect.objectContaining({ status: 'cancelled', reason: 'requested', customerId: 'acme' }),
    });
    expect(stream.text()).not.toContain(encodeId('dlv', theirs));
  });

  it('tells streams of several customers each of its own only', async () => {
    const [acme, other] = [await listen(), await listen(undefined, key, '/v1/customers/other/stream')];
    const [ours, theirs] = [await create(), await create(app.database.pool, 'other')];
    await attempt(ours, 'delivered');
    await attempt(theirs, 'delivered');
    await waitUntil(() => told(acme).includes(say('delivered', ours)));
    await waitUntil(() => told(other).includes(say('delivered', theirs)));
    expect(acme.text()).not.toContain(encodeId('dlv', theirs));
    expect(other.text()).not.toContain(encodeId('dlv', ours));
  });

  it('goes on from the last id, with all that was recorded since and nothing from before', async () => {
    const first = await listen();
    const before = await create();
    await waitUntil(() => told(first).includes(say('created', before)));
    const left = await waitUntil(() => (/\nid: \S+\n\n$/.test(first.text()) ? first.lastId() : undefined));
    first.close();
    const missed = await create();
    await attempt(missed, 'delivered');
    const second = await listen(left);
    expect(told(second)).toEqual([
      say('created', missed),
      say('attempted', missed),
      say('delivered', missed),
    ]);
  });

  it('misses nothing that is committed behind what it told of already, here or after going on', async () => {
    const late = await app.database.pool.connect();
    try {
      await late.query('BEGIN');
      const [one, two] = [await create(late), await create()];
      await attempt(one, 'delivered', late);
      const stream = await listen();
      await attempt(two, 'delivered');
      await waitUntil(() => told(stream).includes(say('delivered', two)));
      const left = await waitUntil(() => stream.lastId());
      await late.query('COMMIT');
      const all = [say('created', one), say('attempted', one), say('delivered', one)];
      await waitUntil(() => all.every((line) => told(stream).includes(line)));
      const resumed = await listen(left);
      for (const line of all) expect(told(resumed)).toContain(line);
    } finally {
      late.release();
    }
  });

  it('says that there is a gap where the last id is too old', async () => {
    const stream = await listen(`${Date.now() - 2 * 3_600_000}.3`);
    expect(stream.messages).toMatchObject([{ event: 'gap' }]);
  });

  it('sends comments while nothing happens', async () => {
    const stream = await listen();
    await waitUntil(() => stream.text().split(': heartbeat\n').length > 2);
  });

  it('answers 401, 403 and 404 to those who may not, and 400 to an id that is none', async () => {
    await app.anyone.get(path).expect(401);
    await app
      .as(await app.createKey(['events:write']))
      .get(path)
      .expect(403);
    await app
      .as(await app.createKey(['read'], 'other'))
      .get(path)
      .expect(404);
    await app.admin.get('/v1/customers/nobody/stream').expect(404);
    for (const id of ['nonsense', '1', '1.2.-3', `1.${'9'.repeat(30)}`])
      await app.admin.get(path).set('Last-Event-ID', id).expect(400);
  });

  it('ends when the session of its reader is over', async () => {
    const { body: link } = await app.admin.post('/v1/customers/acme/portal-links').expect(201);
    const token = new URL(link.url).hash.slice('#token='.length);
    const { body: session } = await app.anyone.post('/v1/portal/session').send({ token }).expect(201);
    const stream = await listen(undefined, session.token);
    await app.as(session.token).delete('/v1/portal/session').expect(204);
    await waitUntil(() => stream.ended());
  });

  it('ends when its reader’s key is revoked', async () => {
    const { body } = await app.admin
      .post('/v1/api-keys')
      .send({ scopes: ['read'] })
      .expect(201);
    const stream = await listen(undefined, body.key);
    await app.admin.delete(`/v1/api-keys/${body.id}`).expect(204);
    app.forgetKeys();
    await waitUntil(() => stream.ended());
  });

  it('ends when its reader’s session expires', async () => {
    const { body: link } = await app.admin.post('/v1/customers/acme/portal-links').expect(201);
    const token = new URL(link.url).hash.slice('#token='.length);
    const { body: session } = await app.anyone.post('/v1/portal/session').send({ token }).expect(201);
    const stream = await listen(undefined, session.token);
    await app.database.pool.query("UPDATE portal_link SET session_expires_at = now() - interval '1 second'");
    await waitUntil(() => stream.ended());
  });

  it('ends when the customer is erased, whoever reads', async () => {
    const stream = await listen(undefined, app.adminKey);
    const others = await listen(undefined, app.adminKey, '/v1/customers/other/stream');
    await app.admin.delete('/v1/customers/acme').expect(200);
    await waitUntil(() => stream.ended());
    expect(others.ended()).toBe(false);
  });

  it('gives the head only to those who ask for that', async () => {
    const response = await app.as(key).head(path).expect(200);
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  });

  it('ends when the process is to end', async () => {
    const stream = await listen();
    app.stopWaiting();
    await waitUntil(() => stream.ended());
  });

  it('answers 429 past so many of one customer, and gives places back', async () => {
    const [one] = [await listen(), await listen()];
    const { body } = await app.as(key).get(path).expect(429);
    expect(body).toMatchObject({ code: 'rate_limited' });
    one.close();
    await waitUntil(async () => {
      const next = await openStream(`${app.origin}${path}`, { token: key });
      next.close();
      return next.status === 200;
    });
  });

  it('answers 503 past so many of all', async () => {
    const elsewhere = '/v1/customers/other/stream';
    await Promise.all([listen(), listen(), listen(undefined, key, elsewhere)]);
    const { body, headers } = await app.as(key).get(elsewhere).expect(503);
    expect(body).toMatchObject({ code: 'unavailable' });
    expect(headers['retry-after']).toBe('10');
  });

  it('cuts off a reader that does not read', async () => {
    await listen();
    const socket = connect(Number(new URL(app.origin).port), '127.0.0.1');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: posthorn\r\nAuthorization: Bearer ${key}\r\n\r\n`);
    const isFull = async () => {
      const probe = await openStream(`${app.origin}${path}`, { token: key });
      probe.close();
      return probe.status === 429;
    };
    try {
      const [head] = (await once(socket, 'data')) as [Buffer];
      socket.pause();
      expect(head.toString()).toMatch(/^HTTP\/1\.1 200 /);
      expect(await isFull()).toBe(true);
      await waitUntil(
        async () => {
          await createMany(400);
          return !(await isFull());
        },
        { timeoutMs: 60_000, intervalMs: 1 },
      );
    } finally {
      socket.destroy();
    }
  }, 120_000);
});

/** With long reasons, so that the buffers of the kernel are full soon. */
async function createMany(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => createUuidV7(Date.now()));
  await app.database.pool.query(
    `WITH made AS (
       INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
       SELECT id, 'acme', 'a', now(), now(), '{}', 1 FROM unnest($1::uuid[]) AS id
     )
     INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, created_at, expires_at)
     SELECT d.id, d.event_id, $3, 'acme', 'a', 'held', repeat('x', 5000), now(), now() + interval '1 day'
       FROM unnest($1::uuid[], $2::uuid[]) AS d (event_id, id)`,
    [events, events.map((id) => deliveryIdOf(id, endpointId)), endpointId],
  );
}

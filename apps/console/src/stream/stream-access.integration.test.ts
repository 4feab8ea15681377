import { once } from 'node:events';
import { connect } from 'node:net';
import { createUuidV7, decodeId, deliveryIdOf } from '@posthorn/domain';
import { createFailedAttempts, createRedisWindowCounter } from '@posthorn/http';
import { createLogger } from '@posthorn/runtime';
import {
  createTestDatabase,
  openStream,
  type OpenStream,
  type TestDatabase,
  testRedis,
  waitUntil,
} from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { startTestConsole, type TestConsole } from '../test-support/test-console.js';
import {
  endpointId,
  listen,
  type Listening,
  prepareCustomers,
  quickly,
  streamPath,
} from './test-support/watching.js';

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
    stream: { ...quickly, perCustomerMax: 2, streamsMax: 3 },
  });
  key = await prepareCustomers(app);
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  app.stopWaiting();
  await app.close();
});

const open = async (listening: Partial<Listening> = {}) => {
  const stream = await listen(app, { token: key, ...listening });
  streams.push(stream);
  return stream;
};

describe('a stream', () => {
  it('answers 401, 403 and 404 to those who may not, and 400 to an id that is none', async () => {
    await app.anyone.get(streamPath).expect(401);
    await app
      .as(await app.createKey(['events:write']))
      .get(streamPath)
      .expect(403);
    await app
      .as(await app.createKey(['read'], 'other'))
      .get(streamPath)
      .expect(404);
    await app.admin.get('/v1/customers/nobody/stream').expect(404);
    for (const id of ['nonsense', '1', '1.2.-3', `1.${'9'.repeat(30)}`])
      await app.admin.get(streamPath).set('Last-Event-ID', id).expect(400);
  });

  it('ends when the session of its reader is over', async () => {
    const { body: link } = await app.admin.post('/v1/customers/acme/portal-links').expect(201);
    const token = new URL(link.url).hash.slice('#token='.length);
    const { body: session } = await app.anyone.post('/v1/portal/session').send({ token }).expect(201);
    const stream = await open({ token: session.token });
    await app.as(session.token).delete('/v1/portal/session').expect(204);
    await waitUntil(() => stream.ended());
  });

  it('ends when its reader’s key is revoked', async () => {
    const { body } = await app.admin
      .post('/v1/api-keys')
      .send({ scopes: ['read'] })
      .expect(201);
    const stream = await open({ token: body.key });
    await app.admin.delete(`/v1/api-keys/${body.id}`).expect(204);
    app.forgetKeys();
    await waitUntil(() => stream.ended());
  });

  it('ends when its reader’s session expires', async () => {
    const { body: link } = await app.admin.post('/v1/customers/acme/portal-links').expect(201);
    const token = new URL(link.url).hash.slice('#token='.length);
    const { body: session } = await app.anyone.post('/v1/portal/session').send({ token }).expect(201);
    const stream = await open({ token: session.token });
    await app.database.pool.query("UPDATE portal_link SET session_expires_at = now() - interval '1 second'");
    await waitUntil(() => stream.ended());
  });

  it('ends when the customer is erased, whoever reads', async () => {
    const stream = await open({ token: app.adminKey });
    const others = await open({ token: app.adminKey, path: '/v1/customers/other/stream' });
    await app.admin.delete('/v1/customers/acme').expect(200);
    await waitUntil(() => stream.ended());
    expect(others.ended()).toBe(false);
  });

  it('gives the head only to those who ask for that', async () => {
    const response = await app.as(key).head(streamPath).expect(200);
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  });

  it('ends when the process is to end', async () => {
    const stream = await open();
    app.stopWaiting();
    await waitUntil(() => stream.ended());
  });

  it('answers 429 past so many of one customer, and gives places back', async () => {
    const [one] = [await open(), await open()];
    const { body } = await app.as(key).get(streamPath).expect(429);
    expect(body).toMatchObject({ code: 'rate_limited' });
    one.close();
    await waitUntil(async () => {
      const next = await openStream(`${app.origin}${streamPath}`, { token: key });
      next.close();
      return next.status === 200;
    });
  });

  it('answers 503 past so many of all', async () => {
    const elsewhere = '/v1/customers/other/stream';
    await Promise.all([open(), open(), open({ path: elsewhere })]);
    const { body, headers } = await app.as(key).get(elsewhere).expect(503);
    expect(body).toMatchObject({ code: 'unavailable' });
    expect(headers['retry-after']).toBe('10');
  });

  it('cuts off a reader that does not read', async () => {
    await open();
    const socket = connect(Number(new URL(app.origin).port), '127.0.0.1');
    socket.write(`GET ${streamPath} HTTP/1.1\r\nHost: posthorn\r\nAuthorization: Bearer ${key}\r\n\r\n`);
    const isFull = async () => {
      const probe = await openStream(`${app.origin}${streamPath}`, { token: key });
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

it('ends when its reader’s key is revoked, also while its address is refused for wrong keys', async () => {
  const redis = testRedis();
  const counter = createRedisWindowCounter({ redisUrl: redis.url, prefix: redis.prefix });
  await waitUntil(() => counter.add('connected', 1, 1));
  const logger = createLogger({ level: 'silent', role: 'test' });
  const failedAttempts = createFailedAttempts({ counter, maxPerMinute: 60, logger });
  const limited = await startTestConsole(testDatabase.url, { stream: quickly, failedAttempts });
  try {
    await prepareCustomers(limited);
    const { body } = await limited.admin
      .post('/v1/api-keys')
      .send({ scopes: ['read'] })
      .expect(201);
    const [stream, others] = [
      await listen(limited, { token: body.key }),
      await listen(limited, { token: limited.adminKey }),
    ];
    streams.push(stream, others);
    const refusedOne = async (number: number) => {
      const token = `phk_${String(number).padStart(43, 'x')}`;
      const wrong = await openStream(`${limited.origin}${streamPath}`, { token });
      wrong.close();
      return wrong.status === 429;
    };
    const answers = await Promise.all(Array.from({ length: 64 }, (_, number) => refusedOne(number)));
    let wrong = answers.length;
    await waitUntil(() => refusedOne(wrong++));

    await limited.admin.delete(`/v1/api-keys/${body.id}`).expect(204);
    limited.keyChanged(decodeId('key', body.id)!);
    await waitUntil(() => stream.ended());
    expect(others.ended()).toBe(false);
  } finally {
    limited.stopWaiting();
    await limited.close();
    counter.close();
    await redis.drop();
  }
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

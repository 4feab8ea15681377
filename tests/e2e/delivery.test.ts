import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import {
  addEndpoint,
  expectStatus,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

interface AttemptView {
  number: number;
  status: string;
  responseCode: number | null;
  nextAttemptAt: string | null;
  request: { headers: Record<string, string>; body: string };
  response: { headers: Record<string, string> | null; body: string | null };
  address: string;
}

let database: TestDatabase;
let posthorn: Posthorn;
let receiver: Receiver;

beforeAll(async () => {
  database = await createTestDatabase();
  await prepareDatabase(database.url);
  posthorn = await startPosthorn({ databaseUrl: database.url, redisUrl: testRedis().url });
});
afterAll(async () => {
  await posthorn.stop();
  await database.drop();
});

const attemptsOf = async (deliveryId: string): Promise<AttemptView[]> => {
  const { body } = await expectStatus(
    posthorn.call<{ data: AttemptView[] }>('GET', `/v1/deliveries/${deliveryId}/attempts`),
    200,
  );
  return [...body.data].sort((a, b) => a.number - b.number);
};

async function withReceiver(test: (receiver: Receiver) => Promise<void>): Promise<void> {
  receiver = await startReceiver();
  try {
    await test(receiver);
  } finally {
    await receiver.close();
  }
}

describe('a posted event', () => {
  it('reaches the endpoint once, signed so that the official verifier accepts it, with the data byte for byte', () =>
    withReceiver(async () => {
      const { secret } = await addEndpoint(posthorn, 'first', { url: `${receiver.url}/hook` });
      const raw =
        '{"customerId":"first","type":"invoice.paid","data": {"big":12345678901234567890,"exact":1.0, "text":"é\\u00e9"}}';
      const { body } = await expectStatus(
        posthorn.call<{ id: string; deliveries: number }>('POST', '/v1/events', raw),
        202,
      );
      expect(body.deliveries).toBe(1);

      const delivery = await untilDelivery(posthorn, body.id, ({ status }) => status === 'delivered');
      expect(delivery.attempts).toBe(1);
      expect(receiver.requests).toHaveLength(1);
      const [request] = receiver.requests;
      const text = request!.body.toString();
      expect(text).toContain('"data":{"big":12345678901234567890,"exact":1.0, "text":"é\\u00e9"}}');
      const headers = Object.fromEntries(
        Object.entries(request!.headers).map(([name, value]) => [name, String(value)]),
      );
      expect(new Webhook(secret).verify(text, headers)).toMatchObject({ id: body.id, type: 'invoice.paid' });
      expect(headers['webhook-id']).toBe(body.id);
      expect(() => new Webhook(secret).verify(`${text} `, headers)).toThrow();

      const [attempt] = await attemptsOf(delivery.id);
      expect(attempt).toMatchObject({
        number: 1,
        status: 'delivered',
        responseCode: 200,
        address: '127.0.0.1',
      });
      expect(attempt?.request.body).toBe(text);
    }));

  it('that fails with 500 once ends as exactly one delivered with two attempts', () =>
    withReceiver(async () => {
      await addEndpoint(posthorn, 'flaky', {
        url: receiver.url,
        retryPolicy: { delaysSeconds: [1], maxAttempts: 4 },
      });
      receiver.respondWith(({ number }) => ({ status: number === 1 ? 500 : 200 }));
      const eventId = await postEvent(posthorn, 'flaky');
      const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered');
      expect(delivery.attempts).toBe(2);
      expect(receiver.requests).toHaveLength(2);
      const [first, second] = receiver.requests;
      expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
      expect(second!.at.getTime() - first!.at.getTime()).toBeGreaterThanOrEqual(900);
      expect(
        (await attemptsOf(delivery.id)).map(({ status, responseCode }) => [status, responseCode]),
      ).toEqual([
        ['failed', 500],
        ['delivered', 200],
      ]);
      const { body } = await posthorn.call<{ data: unknown[] }>(
        'GET',
        '/v1/deliveries?customerId=flaky&status=delivered',
      );
      expect(body.data).toHaveLength(1);
    }));

  it('that keeps failing is a dead letter after its last try', () =>
    withReceiver(async () => {
      await addEndpoint(posthorn, 'down', {
        url: receiver.url,
        retryPolicy: { delaysSeconds: [0.2], maxAttempts: 3 },
      });
      receiver.respondWith(() => ({ status: 503 }));
      const eventId = await postEvent(posthorn, 'down');
      const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'dead_lettered');
      expect(delivery).toMatchObject({
        reason: 'attempts_exhausted',
        attempts: 3,
        nextAttemptAt: null,
        lastResponseCode: 503,
      });
      expect(receiver.requests).toHaveLength(3);
    }));

  it('waits as long as Retry-After asks', () =>
    withReceiver(async () => {
      await addEndpoint(posthorn, 'busy', {
        url: receiver.url,
        retryPolicy: { delaysSeconds: [0.1], maxAttempts: 3 },
      });
      receiver.respondWith(({ number }) =>
        number === 1 ? { status: 429, headers: { 'retry-after': '2' } } : { status: 204 },
      );
      const eventId = await postEvent(posthorn, 'busy');
      await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered');
      const [first, second] = receiver.requests;
      expect(second!.at.getTime() - first!.at.getTime()).toBeGreaterThanOrEqual(1_900);
    }));

  it('answered 410 disables the endpoint, and later events are held', () =>
    withReceiver(async () => {
      const endpoint = await addEndpoint(posthorn, 'gone', { url: receiver.url });
      receiver.respondWith(() => ({ status: 410 }));
      const first = await untilDelivery(
        posthorn,
        await postEvent(posthorn, 'gone'),
        ({ status }) => status === 'held',
      );
      expect(first).toMatchObject({ attempts: 1, lastResponseCode: 410, reason: 'endpoint_disabled' });
      const { body } = await posthorn.call('GET', `/v1/endpoints/${endpoint.id}`);
      expect(body).toMatchObject({ status: 'disabled', disabledReason: 'gone' });
      const later = await untilDelivery(
        posthorn,
        await postEvent(posthorn, 'gone'),
        ({ status }) => status === 'held',
      );
      expect(later.attempts).toBe(0);
      expect(receiver.requests).toHaveLength(1);
    }));

  it('is answered with the first event when it is sent again, also concurrently and after a restart', () =>
    withReceiver(async () => {
      await addEndpoint(posthorn, 'twice', { url: receiver.url });
      const headers = { 'idempotency-key': 'order-17' };
      const ids = await Promise.all(Array.from({ length: 10 }, () => postEvent(posthorn, 'twice', headers)));
      expect(new Set(ids).size).toBe(1);
      await posthorn.stop();
      posthorn = await startPosthorn({
        databaseUrl: database.url,
        redisUrl: testRedis().url,
        env: posthorn.env,
      });
      const event = { customerId: 'twice', type: 'invoice.paid', data: { amount: 1 } };
      const again = await posthorn.call<{ id: string }>('POST', '/v1/events', event, headers);
      expect(again.body.id).toBe(ids[0]);
      expect(again.headers.get('idempotent-replayed')).toBe('true');
      const other = await posthorn.call('POST', '/v1/events', { ...event, data: { amount: 2 } }, headers);
      expect(other).toMatchObject({ status: 409, body: { code: 'idempotency_conflict' } });
      await untilDelivery(posthorn, ids[0]!, ({ status }) => status === 'delivered');
      expect(receiver.requests).toHaveLength(1);
    }));

  it('for a private address that is not allowed is refused at the endpoint, and never connected to', async () => {
    await posthorn.call('PUT', '/v1/customers/ssrf', {});
    const refused = await posthorn.call('POST', '/v1/customers/ssrf/endpoints', {
      url: 'http://169.254.169.254/latest/meta-data',
      eventTypes: ['*'],
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'unprocessable' } });
  });

  it('in flight at a SIGTERM is finished and recorded before the process ends', () =>
    withReceiver(async () => {
      const { id } = await addEndpoint(posthorn, 'slow', { url: receiver.url });
      expect(id).toMatch(/^ep_/);
      receiver.respondWith(() => ({ status: 200, delayMs: 1_500 }));
      const eventId = await postEvent(posthorn, 'slow');
      await receiver.waitFor(1);
      expect(await posthorn.stop()).toBe(0);
      posthorn = await startPosthorn({
        databaseUrl: database.url,
        redisUrl: testRedis().url,
        env: posthorn.env,
      });
      const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered');
      expect(delivery.attempts).toBe(1);
      expect(receiver.requests).toHaveLength(1);
    }));
});

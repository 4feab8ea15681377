import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { waitUntil } from '@posthorn/testing';
import { Webhook } from 'standardwebhooks';

import { attemptsOf, ledgerOf } from './support/history.js';
import {
  addEndpoint,
  expectStatus,
  prepareDatabase,
  startPosthorn,
  type Posthorn,
} from './support/start-posthorn.js';

interface Status {
  status: string;
  reason: string | null;
  attempts: number;
  lastAttemptAt: string | null;
  nextAttemptAt: string | null;
  deliveredAt: string | null;
  error: { code: string; message: string } | null;
}

let database: TestDatabase;
let posthorn: Posthorn;
let receiver: Receiver;
let customers = 0;
let customerId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await prepareDatabase(database.url);
  posthorn = await startPosthorn({
    databaseUrl: database.url,
    redisUrl: testRedis().url,
    env: { POSTHORN_TIMEOUT_MS: '60000' },
  });
});
afterAll(async () => {
  await posthorn.stop();
  await database.drop();
});
beforeEach(async () => {
  receiver = await startReceiver();
  customerId = `one-shot-${(customers += 1)}`;
  await expectStatus(posthorn.call('PUT', `/v1/customers/${customerId}`, {}), 201);
});
afterEach(() => receiver.close());

async function deliver(body: Record<string, unknown> | string): Promise<string> {
  const given = typeof body === 'string' ? body : { customerId, payload: { n: 1 }, ...body };
  const answer = await expectStatus(
    posthorn.call<{ id: string }>('POST', '/v1/webhooks/deliver', given),
    202,
  );
  return answer.body.id;
}

async function untilStatus(id: string, condition: (status: Status) => boolean): Promise<Status> {
  let last: Status | undefined;
  await waitUntil(
    async () => {
      const { body } = await expectStatus(posthorn.call<Status>('GET', `/api/v1/webhooks/${id}/status`), 200);
      last = body;
      return condition(body);
    },
    { timeoutMs: 30_000 },
  ).catch((error: unknown) => {
    throw new Error(`It is ${JSON.stringify(last)}\n${posthorn.output().slice(-4_000)}`, { cause: error });
  });
  return last as Status;
}

it('is delivered as its own bytes, under a signature that standardwebhooks accepts with the secret of its customer', async () => {
  const rotate = async (rotation: object) => {
    const path = `/v1/customers/${customerId}/one-shot-secret/rotate`;
    return (await expectStatus(posthorn.call<{ secret: string }>('POST', path, rotation), 200)).body.secret;
  };
  const first = await rotate({});
  const payload = '{ "big": 12345678901234567890, "one": 1.0 }';
  const send = () =>
    deliver(
      `{"customerId":"${customerId}","url":"${receiver.url}/hook?a=b","payload":${payload},"headers":{"X-Team":"a"}}`,
    );
  const id = await send();
  const { deliveredAt, error } = await untilStatus(id, ({ status }) => status === 'delivered');
  expect([deliveredAt, error]).toEqual([expect.any(String), null]);

  const [request] = receiver.requests;
  expect([request!.path, request!.body.toString()]).toEqual(['/hook?a=b', payload]);
  expect(request!.headers).toMatchObject({ 'webhook-id': id, 'x-team': 'a' });
  const accepts = (secret: string, { headers }: typeof request & object) => {
    try {
      new Webhook(secret).verify(payload, headers as Record<string, string>);
      return true;
    } catch {
      return false;
    }
  };
  expect(accepts(first, request!)).toBe(true);
  expect((await attemptsOf(posthorn, id)).map(({ status }) => status)).toEqual(['delivered']);

  // Every process hears of the new secret within a second.
  const next = await rotate({ overlapSeconds: 0 });
  await waitUntil(
    async () => {
      await untilStatus(await send(), ({ status }) => status === 'delivered');
      return accepts(next, receiver.requests.at(-1)!);
    },
    { timeoutMs: 30_000 },
  );
  expect(accepts(first, receiver.requests.at(-1)!)).toBe(false);
});

it('is tried three times with {maxAttempts: 3}, and its status says how that ended', async () => {
  receiver.respondWith(() => ({ status: 500 }));
  const id = await deliver({
    url: receiver.url,
    retryPolicy: { preset: 'fast', maxAttempts: 3, delaysSeconds: [0.3] },
  });
  const status = await untilStatus(id, ({ status: now }) => now === 'dead_lettered');
  expect(status).toMatchObject({
    reason: 'attempts_exhausted',
    attempts: 3,
    lastAttemptAt: expect.any(String),
    nextAttemptAt: null,
    deliveredAt: null,
    error: { code: 'http_error', message: 'The endpoint answered 500.' },
  });
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([id, id, id]);

  receiver.respondWith(() => ({ status: 200 }));
  await expectStatus(posthorn.call('POST', `/v1/deliveries/${id}/replay`), 200);
  await untilStatus(id, ({ status: now }) => now === 'delivered');
  expect(await ledgerOf(posthorn, customerId)).toMatchObject({ accepted: 1, delivered: 1 });
});

it('does not wait for URLs that hang, and theirs can be cancelled', async () => {
  const hanging = await startReceiver(() => ({ fault: 'hang' }));
  const stuck = await Promise.all(
    Array.from({ length: 40 }, (_, n) => deliver({ url: `${hanging.url}/${n}`, payload: n })),
  );
  await hanging.waitFor(5);
  const ids = await Promise.all(
    Array.from({ length: 40 }, (_, n) => deliver({ url: `${receiver.url}/${n}` })),
  );
  for (const id of ids) await untilStatus(id, ({ status }) => status === 'delivered');
  // Not one of those that hang has come to an end meanwhile.
  const { body } = await expectStatus(posthorn.call<Status>('GET', `/v1/webhooks/${stuck[0]}/status`), 200);
  expect(body).toMatchObject({ status: 'pending', attempts: 0 });
  await expectStatus(posthorn.call('POST', '/v1/deliveries/cancel', { customerId, status: 'pending' }), 200);
  await untilStatus(stuck[0]!, ({ status }) => status === 'cancelled');
  await hanging.close();
});

it('is to be seen in the history, and its lane is nowhere to be seen among endpoints', async () => {
  const id = await deliver({ url: receiver.url, payload: [1.0, 'é'] });
  await untilStatus(id, ({ status }) => status === 'delivered');
  const { body: delivery } = await expectStatus(
    posthorn.call<{ eventId: string; endpointId: string; type: string }>('GET', `/v1/deliveries/${id}`),
    200,
  );
  expect(delivery.type).toBe('posthorn.one_shot');
  const { body: event } = await expectStatus(posthorn.call('GET', `/v1/events/${delivery.eventId}`), 200);
  expect(event).toMatchObject({ type: 'posthorn.one_shot', data: [1, 'é'], deliveryCount: 1 });
  const { body: listed } = await expectStatus(
    posthorn.call<{ data: { id: string }[] }>('GET', `/v1/deliveries?endpointId=${delivery.endpointId}`),
    200,
  );
  expect(listed.data.map((found) => found.id)).toEqual([id]);

  const { body: endpoints } = await posthorn.call<{ data: unknown[] }>(
    'GET',
    `/v1/customers/${customerId}/endpoints`,
  );
  expect(endpoints.data).toEqual([]);
  await expectStatus(posthorn.call('GET', `/v1/endpoints/${delivery.endpointId}`), 404);
  await expectStatus(posthorn.call('POST', `/v1/endpoints/${delivery.endpointId}/pause`), 404);

  // Their bodies have another form than those of events.
  const endpoint = await addEndpoint(posthorn, customerId, { url: receiver.url });
  await expectStatus(
    posthorn.call('POST', `/v1/events/${delivery.eventId}/replay`, { endpointId: endpoint.id }),
    409,
  );
});

import { testRedis, waitUntil, type Receiver } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { allDelivered, ledgerOf } from './support/history.js';
import { INSTALLATION_MS, startInstallation, type Installation } from './support/start-installation.js';
import {
  addEndpoint,
  expectStatus,
  postEvent,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

const PATIENT = { timeoutMs: 120_000, intervalMs: 50 };
const PATHS = ['/hangs', '/fails', '/works'];
const redis = testRedis();

let installation: Installation;
let receiver: Receiver;
let posthorn: Posthorn;

beforeAll(async () => {
  installation = await startInstallation({
    POSTHORN_QUEUE_PREFIX: redis.prefix,
    POSTHORN_JOB_LOCK_MS: '2000',
    POSTHORN_TIMEOUT_MS: '60000',
  });
  ({ receiver, front: posthorn } = installation);
  receiver.respondWith(({ path }) =>
    path === '/hangs' ? { fault: 'hang' } : { status: path === '/fails' ? 500 : 200 },
  );
}, INSTALLATION_MS);
afterAll(async () => {
  await installation.close();
  await redis.drop();
}, INSTALLATION_MS);

const requestsTo = (path: string) => receiver.requests.filter((request) => request.path === path).length;
const keysOf = async (customerId: string) => (await redis.keys()).filter((key) => key.includes(customerId));

describe('erasing a customer under load', () => {
  it('removes every event that was accepted, what is in flight and in the queue, and leaves the next one alone', async () => {
    for (const path of PATHS) {
      await addEndpoint(posthorn, 'acme', {
        url: receiver.url + path,
        retryPolicy: { delaysSeconds: [3_600], maxAttempts: 5 },
      });
    }
    const { body: own } = await expectStatus(
      posthorn.call<{ key: string }>('POST', '/v1/api-keys', { scopes: ['read'], customerId: 'acme' }),
      201,
    );
    let accepted = 0;
    let refused = 0;
    const event = { customerId: 'acme', type: 'invoice.paid', data: {} };
    const producers = Array.from({ length: 4 }, async () => {
      for (;;) {
        const { status } = await expectStatus(posthorn.call('POST', '/v1/events', event), 202, 404);
        if (status === 404) break;
        accepted += 1;
      }
      refused += 1;
    });
    await waitUntil(() => PATHS.every((path) => requestsTo(path) > 0), PATIENT);
    // A retry waits in the queue.
    await waitUntil(async () => (await keysOf('acme')).some((key) => key.endsWith(':delayed')), PATIENT);

    const { body } = await expectStatus(
      posthorn.call<{ removed: Record<string, number> }>('DELETE', '/v1/customers/acme'),
      200,
    );
    await Promise.all(producers);
    expect(refused).toBe(producers.length);
    expect(body.removed).toMatchObject({
      events: accepted,
      deliveries: accepted * PATHS.length,
      endpoints: PATHS.length,
      apiKeys: 1,
    });
    await expectStatus(posthorn.call('DELETE', '/v1/customers/acme'), 404);
    const asOwn = { authorization: `Bearer ${own.key}` };
    await waitUntil(
      async () => (await posthorn.call('GET', '/v1/events', undefined, asOwn)).status === 401,
      PATIENT,
    );

    // Sends that hang are cut, and nothing of it stays in the queue.
    await waitUntil(async () => (await keysOf('acme')).length === 0, PATIENT);
    const before = PATHS.map(requestsTo);
    const { id } = await addEndpoint(posthorn, 'acme', { url: `${receiver.url}/next` });
    const eventId = await postEvent(posthorn, 'acme');
    await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered', PATIENT.timeoutMs);
    expect(await ledgerOf(posthorn, 'acme')).toEqual(allDelivered(1));
    const { body: events } = await expectStatus(
      posthorn.call<{ data: { id: string }[] }>('GET', '/v1/events?customerId=acme'),
      200,
    );
    expect(events.data.map((one) => one.id)).toEqual([eventId]);
    const { body: endpoints } = await expectStatus(
      posthorn.call<{ data: { id: string }[] }>('GET', '/v1/customers/acme/endpoints'),
      200,
    );
    expect(endpoints.data.map((one) => one.id)).toEqual([id]);
    expect(PATHS.map(requestsTo)).toEqual(before);
    expect(requestsTo('/next')).toBe(1);
  }, 300_000);
});

import { waitUntil, type Receiver } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { startBeside } from './support/start-beside.js';
import { INSTALLATION_MS, startInstallation, type Installation } from './support/start-installation.js';
import {
  addEndpoint,
  expectStatus,
  postEvent,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

const PATIENT = { timeoutMs: 120_000, intervalMs: 50 };
const PREFIX = 'posthorn.';

interface OperationalEvent {
  type: string;
  data: Record<string, unknown>;
}

let installation: Installation;
let receiver: Receiver;
let posthorn: Posthorn;
let secret: string;
/** How the receiver answers, by path; 200 unless told. */
const answers = new Map<string, number>();

beforeAll(async () => {
  // An endpoint fails by the second here, and not by the day.
  installation = await startInstallation({
    POSTHORN_FAILING_WARN_SECONDS: '1',
    POSTHORN_FAILING_DISABLE_SECONDS: '6',
  });
  ({ receiver, front: posthorn } = installation);
  receiver.respondWith(({ path }) => ({ status: answers.get(path) ?? 200 }));
  const operator = await addEndpoint(posthorn, 'posthorn', {
    url: `${receiver.url}/operator`,
    eventTypes: [`${PREFIX}*`],
  });
  ({ secret } = operator);
}, INSTALLATION_MS);
afterAll(() => installation.close(), INSTALLATION_MS);

/** What came to a path, each verified by the receiver's own means. */
function verified(path: string, by: string): OperationalEvent[] {
  return receiver.requests
    .filter((request) => request.path === path)
    .map(({ body, headers }) =>
      new Webhook(by).verify(body.toString(), headers as Record<string, string>),
    ) as OperationalEvent[];
}

/** The events that came to the operator about a customer, in order. */
const toOperator = (customerId: string) =>
  verified('/operator', secret).filter(({ data }) => data['customerId'] === customerId);

async function untilTold(customerId: string, type: string): Promise<OperationalEvent> {
  return waitUntil(() => toOperator(customerId).find((event) => event.type === PREFIX + type), {
    ...PATIENT,
    what: `${type} about ${customerId}`,
  });
}

describe('a dead letter', () => {
  it('is told to the operator and the owner, signed, and to no endpoint of the owner’s events', async () => {
    answers.set('/dead', 500);
    const { id } = await addEndpoint(posthorn, 'acme', {
      url: `${receiver.url}/dead`,
      retryPolicy: { maxAttempts: 1 },
    });
    const { body } = await expectStatus(
      posthorn.call<{ notificationSecret: string }>('PUT', '/v1/customers/acme', {
        notificationUrl: `${receiver.url}/owner`,
      }),
      200,
    );
    const eventId = await postEvent(posthorn, 'acme');
    const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'dead_lettered');
    const told = await untilTold('acme', 'delivery.exhausted');
    expect(told.data).toEqual({
      customerId: 'acme',
      endpointId: id,
      reason: 'attempts_exhausted',
      deliveries: 1,
      deliveryIds: [delivery.id],
      lastAt: expect.stringMatching(/Z$/),
    });
    const [toOwner] = await waitUntil(() => {
      const events = verified('/owner', body.notificationSecret);
      return events.length > 0 ? events : undefined;
    }, PATIENT);
    expect(toOwner).toMatchObject({ type: told.type, data: told.data });
    expect(receiver.requests.filter(({ path }) => path === '/dead')).toHaveLength(1);

    const stats = await waitUntil(async () => {
      const { body: answer } = await expectStatus(
        posthorn.call<{ data: { failures: number; deliveries: { deadLettered: number } }[] }>(
          'GET',
          `/v1/stats?endpointId=${id}&bucket=minute`,
        ),
        200,
      );
      return answer.data.find(({ failures }) => failures > 0);
    }, PATIENT);
    expect(stats.failures).toBe(1);
  }, 180_000);
});

describe('an endpoint that fails', () => {
  it('is warned of, disabled by the worker that comes after, and recovers when it is enabled', async () => {
    answers.set('/fails', 500);
    const { id } = await addEndpoint(posthorn, 'beta', {
      url: `${receiver.url}/fails`,
      retryPolicy: { delaysSeconds: [1], maxAttempts: 50, jitter: 0 },
    });
    const eventId = await postEvent(posthorn, 'beta');
    expect((await untilTold('beta', 'endpoint.failing')).data).toMatchObject({ endpointId: id });
    const endpoint = async () =>
      (
        await expectStatus(
          posthorn.call<{ status: string; disabledReason: string | null; failingSince: string | null }>(
            'GET',
            `/v1/endpoints/${id}`,
          ),
          200,
        )
      ).body;
    const { failingSince } = await endpoint();
    expect(failingSince).not.toBeNull();

    await installation.worker.kill();
    installation.worker = await startBeside(posthorn, ['worker']);
    expect((await untilTold('beta', 'endpoint.disabled')).data).toEqual({
      customerId: 'beta',
      endpointId: id,
      reason: 'failing',
    });
    expect(await endpoint()).toMatchObject({ status: 'disabled', disabledReason: 'failing', failingSince });
    await untilDelivery(posthorn, eventId, ({ status }) => status === 'held', PATIENT.timeoutMs);

    answers.delete('/fails');
    await expectStatus(posthorn.call('POST', `/v1/endpoints/${id}/enable`, { held: 'release' }), 200);
    expect((await untilTold('beta', 'endpoint.recovered')).data).toMatchObject({ because: 'enabled' });
    await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered', PATIENT.timeoutMs);
    expect(toOperator('beta').map(({ type }) => type)).toEqual(
      ['endpoint.failing', 'endpoint.disabled', 'endpoint.recovered'].map((type) => PREFIX + type),
    );
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: null });
  }, 300_000);
});

describe('the customer of operational events', () => {
  it('takes no events from anybody and cannot be erased', async () => {
    const event = { customerId: 'posthorn', type: 'endpoint.failing', data: {} };
    await expectStatus(posthorn.call('POST', '/v1/events', event), 403);
    await expectStatus(
      posthorn.call('POST', '/v1/events', { ...event, type: 'posthorn.endpoint.failing' }),
      400,
    );
    const oneShot = { customerId: 'posthorn', url: receiver.url, payload: {} };
    await expectStatus(posthorn.call('POST', '/v1/webhooks/deliver', oneShot), 403);
    await expectStatus(posthorn.call('DELETE', '/v1/customers/posthorn'), 409);
  });
});

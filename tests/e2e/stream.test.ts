import { openStream, type OpenStream, waitUntil, type Receiver } from '@posthorn/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { INSTALLATION_MS, startInstallation, type Installation } from './support/start-installation.js';
import { addEndpoint, expectStatus, postEvent, type Posthorn } from './support/start-posthorn.js';

const customerId = 'watched';
let installation: Installation;
let receiver: Receiver;
let front: Posthorn;
let endpoint: { id: string };

beforeAll(async () => {
  installation = await startInstallation();
  ({ receiver, front } = installation);
  endpoint = await addEndpoint(front, customerId, { url: receiver.url });
}, INSTALLATION_MS);
afterAll(() => installation.close(), INSTALLATION_MS);

const watch = (lastEventId?: string) =>
  openStream(`${front.origin}/v1/customers/${customerId}/stream`, { token: front.adminKey, lastEventId });
const told = (eventId: string, by: OpenStream) =>
  by.messages.filter(({ data }) => data['delivery']?.['eventId'] === eventId).map(({ event }) => event);
const untilTold = (eventId: string, by: OpenStream, events: string[]) =>
  waitUntil(() => events.every((event) => told(eventId, by).includes(event)), {
    timeoutMs: 60_000,
    what: `${events.join(', ')} of ${eventId}`,
  });
const whole = ['delivery.created', 'delivery.attempted', 'delivery.delivered'];

it('tells of deliveries as they happen, goes on where it was left, and ends with the process', async () => {
  const stream = await watch();
  await waitUntil(() => stream.lastId(), { timeoutMs: 60_000 });
  const first = await postEvent(front, customerId);
  await untilTold(first, stream, whole);
  const left = stream.lastId();
  stream.close();

  const second = await postEvent(front, customerId);
  await waitUntil(() => receiver.requests.some(({ body }) => body.toString().includes(second)), {
    timeoutMs: 60_000,
  });
  const resumed = await watch(left);
  await untilTold(second, resumed, whole);

  await expectStatus(front.call('POST', `/v1/endpoints/${endpoint.id}/pause`), 200);
  const third = await postEvent(front, customerId);
  await untilTold(third, resumed, ['delivery.created']);
  await expectStatus(front.call('DELETE', `/v1/endpoints/${endpoint.id}`), 204);
  await untilTold(third, resumed, ['delivery.cancelled']);

  expect(await front.stop()).toBe(0);
  await waitUntil(() => resumed.ended(), { timeoutMs: 60_000 });
  expect(resumed.failed()).toBe(false);
  expect(front.output()).not.toContain('shutdown.close_failed');
}, 240_000);

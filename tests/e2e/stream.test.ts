import {
  createTestDatabase,
  openStream,
  type OpenStream,
  startReceiver,
  testRedis,
  waitUntil,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { startBeside } from './support/start-beside.js';
import {
  addEndpoint,
  expectStatus,
  postEvent,
  prepareDatabase,
  startPosthorn,
  type Posthorn,
} from './support/start-posthorn.js';

const customerId = 'watched';
let database: TestDatabase;
let receiver: Receiver;
/** Who answers, and who sends. */
let front: Posthorn;
let worker: Posthorn;
let endpoint: { id: string };

beforeAll(async () => {
  [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  await prepareDatabase(database.url);
  front = await startPosthorn({
    databaseUrl: database.url,
    redisUrl: testRedis().url,
    roles: ['ingest', 'console'],
  });
  worker = await startBeside(front, ['worker']);
  endpoint = await addEndpoint(front, customerId, { url: receiver.url });
}, 240_000);
afterAll(async () => {
  await Promise.all([front.stop(), worker.stop(), receiver.close()]);
  await database.drop();
}, 120_000);

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

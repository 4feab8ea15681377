import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { startBeside } from './support/start-beside.js';
import {
  addEndpoint,
  expectStatus,
  prepareDatabase,
  startPosthorn,
  type Posthorn,
} from './support/start-posthorn.js';

const customerId = 'tested';
let database: TestDatabase;
let receiver: Receiver;
/** Who answers, and who sends. */
let front: Posthorn;
let worker: Posthorn;
let endpoint: { id: string; secret: string };

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

const test = (body: object = { waitSeconds: 60 }) =>
  front.call('POST', `/v1/endpoints/${endpoint.id}/test`, body);

it('sends a test through the worker, also to a paused endpoint, and leaves the ledger as it was', async () => {
  const first = await expectStatus(test(), 200);
  expect(first.body).toMatchObject({ trigger: 'test', status: 'delivered', responseCode: 200, number: 1 });
  const [request] = receiver.requests;
  const headers = request!.headers as Record<string, string>;
  expect(new Webhook(endpoint.secret).verify(request!.body.toString(), headers)).toMatchObject({
    type: 'posthorn.test',
  });

  await expectStatus(front.call('POST', `/v1/endpoints/${endpoint.id}/pause`), 200);
  receiver.respondWith(() => ({ status: 503 }));
  const failed = await expectStatus(test(), 200);
  expect(failed.body).toMatchObject({ status: 'failed', responseCode: 503, nextAttemptAt: null });
  receiver.respondWith(() => ({ status: 200 }));
  await expectStatus(front.call('POST', `/v1/endpoints/${endpoint.id}/resume`), 200);
  const ledger = await front.call('GET', `/v1/ledger?customerId=${customerId}`);
  expect(ledger.body).toMatchObject({ accepted: 0, delivered: 0, deadLettered: 0, unmatchedEvents: 0 });
  expect(await front.stop()).toBe(0);
}, 240_000);

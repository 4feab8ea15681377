import type { Receiver } from '@posthorn/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { INSTALLATION_MS, startInstallation, type Installation } from './support/start-installation.js';
import { addEndpoint, expectStatus, type Posthorn } from './support/start-posthorn.js';

const customerId = 'tested';
let installation: Installation;
let receiver: Receiver;
let front: Posthorn;
let endpoint: { id: string; secret: string };

beforeAll(async () => {
  installation = await startInstallation();
  ({ receiver, front } = installation);
  endpoint = await addEndpoint(front, customerId, { url: receiver.url });
}, INSTALLATION_MS);
afterAll(() => installation.close(), INSTALLATION_MS);

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

import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type ReceivedRequest,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { verify as verifyDigest, verifyWithFallback } from '@octokit/webhooks-methods';
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as SvixWebhook } from 'svix';

import {
  addEndpoint,
  expectStatus,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

let database: TestDatabase;
let posthorn: Posthorn;
let receiver: Receiver;
let customers = 0;
let customer: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await prepareDatabase(database.url);
  posthorn = await startPosthorn({ databaseUrl: database.url, redisUrl: testRedis().url });
});
afterAll(async () => {
  await posthorn.stop();
  await database.drop();
});
beforeEach(async () => {
  receiver = await startReceiver();
  customer = `signed-${(customers += 1)}`;
});
afterEach(() => receiver.close());

const endpoint = (settings: Record<string, unknown> = {}) =>
  addEndpoint(posthorn, customer, { url: receiver.url, ...settings });

/** What the receiver gets of the next event. */
async function received(): Promise<{ request: ReceivedRequest; text: string; eventId: string }> {
  const number = receiver.requests.length + 1;
  const eventId = await postEvent(posthorn, customer);
  await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered');
  const request = receiver.requests[number - 1]!;
  return { request, text: request.body.toString(), eventId };
}

async function rotate(id: string, rotation: Record<string, unknown> = {}): Promise<string> {
  const { body } = await expectStatus(
    posthorn.call<{ secret: string }>('POST', `/v1/endpoints/${id}/secret/rotate`, rotation),
    200,
  );
  return body.secret;
}

/** What is to be waited for after a change: every process drops its cached settings within a second. */
async function receivedUntil(
  condition: (request: ReceivedRequest) => boolean,
): Promise<{ request: ReceivedRequest; text: string }> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { request, text } = await received();
    if (condition(request)) return { request, text };
    if (Date.now() > deadline) throw new Error(`Still sent with ${JSON.stringify(request.headers)}`);
  }
}

const headersOf = ({ headers }: ReceivedRequest) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
const header = (request: ReceivedRequest, name: string) => headersOf(request)[name] ?? '';
const acceptsStripe = (text: string, request: ReceivedRequest, secret: string) => {
  try {
    Stripe.webhooks.constructEvent(text, header(request, 'webhook-signature'), secret);
    return true;
  } catch {
    return false;
  }
};
const acceptsStandard = (text: string, request: ReceivedRequest, secret: string) =>
  [Webhook, SvixWebhook].map((Verifier) => {
    try {
      new Verifier(secret).verify(text, headersOf(request));
      return true;
    } catch {
      return false;
    }
  });

describe('What a receiver gets', () => {
  it('with the scheme standard is accepted by standardwebhooks and svix, under both secrets of an overlap', async () => {
    const { id, secret } = await endpoint();
    const first = await received();
    expect(acceptsStandard(first.text, first.request, secret)).toEqual([true, true]);
    expect(acceptsStandard(`${first.text} `, first.request, secret)).toEqual([false, false]);
    expect(header(first.request, 'webhook-id')).toBe(first.eventId);

    const next = await rotate(id);
    const { request, text } = await receivedUntil((got) => header(got, 'webhook-signature').includes(' '));
    expect(acceptsStandard(text, request, next)).toEqual([true, true]);
    expect(acceptsStandard(text, request, secret)).toEqual([true, true]);

    const last = await rotate(id, { overlapSeconds: 0 });
    const alone = await receivedUntil((got) => !header(got, 'webhook-signature').includes(' '));
    expect(acceptsStandard(alone.text, alone.request, last)).toEqual([true, true]);
    expect(acceptsStandard(alone.text, alone.request, next)).toEqual([false, false]);
  });

  it('with the scheme timestamped is accepted by stripe, under both secrets of an overlap', async () => {
    const { id, secret } = await endpoint({ signing: { scheme: 'timestamped' } });
    const first = await received();
    expect(header(first.request, 'webhook-signature')).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/);
    expect(acceptsStripe(first.text, first.request, secret)).toBe(true);
    expect(acceptsStripe(`${first.text} `, first.request, secret)).toBe(false);
    expect(header(first.request, 'webhook-id')).toBe(first.eventId);

    const next = await rotate(id);
    const { request, text } = await receivedUntil(
      (got) => header(got, 'webhook-signature').split('v1=').length === 3,
    );
    expect(acceptsStripe(text, request, next)).toBe(true);
    expect(acceptsStripe(text, request, secret)).toBe(true);
  });

  it('with the scheme digest is accepted by octokit, all through an overlap by one that knows both secrets', async () => {
    const { id, secret } = await endpoint({ signing: { scheme: 'digest' } });
    const first = await received();
    const signature = header(first.request, 'x-webhook-signature');
    expect(await verifyDigest(secret, first.text, signature)).toBe(true);
    expect(await verifyDigest(secret, `${first.text} `, signature)).toBe(false);
    expect(header(first.request, 'x-webhook-id')).toBe(first.eventId);
    expect(header(first.request, 'x-webhook-timestamp')).toMatch(/^\d{10}$/);

    const next = await rotate(id);
    const during = await receivedUntil((got) => header(got, 'x-webhook-signatures') !== '');
    const held = header(during.request, 'x-webhook-signature');
    expect(await verifyDigest(secret, during.text, held)).toBe(true);
    expect(await verifyWithFallback(next, during.text, held, [secret])).toBe(true);
    const [newest] = header(during.request, 'x-webhook-signatures').split(',');
    expect(await verifyDigest(next, during.text, newest!)).toBe(true);

    // The overlap ends early when the secret that is current is made the only one.
    expect(await rotate(id, { secret: next, overlapSeconds: 0 })).toBe(next);
    const after = await receivedUntil((got) => header(got, 'x-webhook-signatures') === '');
    const switched = header(after.request, 'x-webhook-signature');
    expect(await verifyDigest(next, after.text, switched)).toBe(true);
    expect(await verifyWithFallback(next, after.text, switched, [secret])).toBe(true);
    expect(await verifyDigest(secret, after.text, switched)).toBe(false);
  });

  it('follows a change of the scheme by PATCH, with the same secret', async () => {
    const { id, secret } = await endpoint();
    await received();
    const patch = (signing: Record<string, unknown>) =>
      expectStatus(posthorn.call('PATCH', `/v1/endpoints/${id}`, { signing }), 200);

    expect((await patch({ scheme: 'digest', algorithm: 'sha512' })).body).toMatchObject({
      signing: { scheme: 'digest', algorithm: 'sha512' },
    });
    const digest = await receivedUntil((got) => header(got, 'x-webhook-signature') !== '');
    const expected = createHmac('sha512', secret).update(digest.text).digest('hex');
    expect(header(digest.request, 'x-webhook-signature')).toBe(`sha512=${expected}`);
    expect(digest.request.headers).not.toHaveProperty('webhook-signature');

    expect((await patch({ scheme: 'timestamped' })).body).toMatchObject({
      signing: { scheme: 'timestamped' },
    });
    const timestamped = await receivedUntil((got) => header(got, 'webhook-signature').startsWith('t='));
    expect(acceptsStripe(timestamped.text, timestamped.request, secret)).toBe(true);
    expect(timestamped.request.headers).not.toHaveProperty('x-webhook-signature');
  });
});

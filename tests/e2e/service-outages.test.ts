import {
  findFreePort,
  startTestPostgres,
  startPrivateRedis,
  startReceiver,
  waitUntil,
  type Receiver,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import {
  addEndpoint,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

let folder: string;
let postgres: Awaited<ReturnType<typeof startTestPostgres>>;
let redis: Awaited<ReturnType<typeof startPrivateRedis>>;
let receiver: Receiver;
let posthorn: Posthorn;

const startPostgres = (port?: number) => startTestPostgres({ dataDir: path.join(folder, 'postgres'), port });
const startRedis = (port?: number) => startPrivateRedis({ dataDir: path.join(folder, 'redis'), port });

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-outages-'));
  [postgres, redis, receiver] = await Promise.all([startPostgres(), startRedis(), startReceiver()]);
  await prepareDatabase(postgres.url);
  posthorn = await startPosthorn({ databaseUrl: postgres.url, redisUrl: redis.url });
  await addEndpoint(posthorn, 'acme', { url: receiver.url });
  await untilDelivery(posthorn, await postEvent(posthorn, 'acme'), ({ status }) => status === 'delivered');
}, 300_000);

afterAll(async () => {
  await posthorn.stop();
  await Promise.all([receiver.close(), redis.stop(), postgres.stop()]);
  await rm(folder, { recursive: true, force: true });
});

describe('while Redis is stopped', () => {
  it('events are accepted, and delivered once when it is back, although it comes back empty', async () => {
    const before = receiver.requests.length;
    await redis.stop();
    const eventIds: string[] = [];
    for (let count = 0; count < 5; count += 1) eventIds.push(await postEvent(posthorn, 'acme'));
    const { body } = await posthorn.call<{ checks: Record<string, { ok: boolean }> }>('GET', '/ready');
    expect(body.checks['redis']?.ok).toBe(false);
    redis = await startRedis(redis.port);

    for (const eventId of eventIds) {
      const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered', 45_000);
      expect(delivery.attempts).toBe(1);
    }
    expect(receiver.requests.length - before).toBe(5);
    await untilDelivery(posthorn, await postEvent(posthorn, 'acme'), ({ status }) => status === 'delivered');
  }, 300_000);

  it('a retry that was waiting in Redis still comes after Redis has lost it', async () => {
    await addEndpoint(posthorn, 'patient', {
      url: receiver.url,
      retryPolicy: { delaysSeconds: [3], maxAttempts: 3 },
    });
    let failing = true;
    receiver.respondWith(() => ({ status: failing ? 500 : 200 }));
    const eventId = await postEvent(posthorn, 'patient');
    await untilDelivery(posthorn, eventId, ({ attempts }) => attempts === 1);
    await redis.stop();
    redis = await startRedis(redis.port);
    failing = false;
    const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered', 45_000);
    expect(delivery.attempts).toBe(2);
  }, 300_000);
});

describe('started while Redis is away', () => {
  it('accepts, stops at once when asked to, and delivers as soon as Redis is there', async () => {
    await posthorn.stop();
    await redis.stop();
    const env = { ...posthorn.env, POSTHORN_PORT: String(await findFreePort()) };
    const early = await startPosthorn({
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      env,
      readyStatus: 503,
    });
    await postEvent(early, 'acme');
    expect(await early.stop()).toBe(0);

    posthorn = await startPosthorn({
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      env: posthorn.env,
      readyStatus: 503,
    });
    const eventId = await postEvent(posthorn, 'acme');
    redis = await startRedis(redis.port);
    await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered', 45_000);
  }, 300_000);
});

describe('while Postgres is stopped', () => {
  it('posting answers 503 with Retry-After, and works again by itself', async () => {
    await postgres.stop();
    const event = { customerId: 'acme', type: 'invoice.paid', data: {} };
    const refused = await posthorn.call('POST', '/v1/events', event);
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const oneShot = { customerId: 'acme', url: receiver.url, payload: {} };
    const refusedToo = await posthorn.call('POST', '/v1/webhooks/deliver', oneShot);
    expect(refusedToo).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(Number(refusedToo.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await fetch(`${posthorn.origin}/health`)).status).toBe(200);
    expect((await fetch(`${posthorn.origin}/ready`)).status).toBe(503);

    postgres = await startPostgres(postgres.port);
    await waitUntil(async () => (await posthorn.call('POST', '/v1/events', event)).status === 202, {
      timeoutMs: 30_000,
    });
    await untilDelivery(posthorn, await postEvent(posthorn, 'acme'), ({ status }) => status === 'delivered');
  }, 300_000);

  it('an attempt that was on the wire is recorded when Postgres is back, and not sent again', async () => {
    const before = receiver.requests.length;
    receiver.respondWith(() => ({ status: 200, delayMs: 1_000 }));
    const eventId = await postEvent(posthorn, 'acme');
    await receiver.waitFor(before + 1);
    await postgres.stop();
    const saidSoFar = posthorn.output().length;
    await waitUntil(() => posthorn.output().slice(saidSoFar).includes('delivery.settle_failed'), {
      timeoutMs: 20_000,
    });
    postgres = await startPostgres(postgres.port);
    const delivery = await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered', 45_000);
    expect(delivery.attempts).toBe(1);
    expect(receiver.requests.length - before).toBe(1);
    receiver.respondWith(() => ({ status: 200 }));
  }, 300_000);
});

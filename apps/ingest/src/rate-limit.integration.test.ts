import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  createRateLimiter,
  createRedisWindowCounter,
  createRequestLimits,
  type WindowCounter,
} from '@posthorn/http';
import { createLogger } from '@posthorn/runtime';
import { testRedis, waitUntil } from '@posthorn/testing';
import request from 'supertest';

import { accepted, keys, testIngest } from './test-support/test-ingest.js';

const redis = testRedis();
const event = { customerId: 'acme', type: 'invoice.paid', data: { total: 1 } };
let counter: WindowCounter;

beforeAll(async () => {
  counter = createRedisWindowCounter({ redisUrl: redis.url, prefix: redis.prefix });
  await waitUntil(() => counter.add('connected', 1, 1));
});
afterAll(async () => {
  counter.close();
  await redis.drop();
});

function limitedIngest(max: number | null) {
  const limiter = createRateLimiter({ counter, logger: createLogger({ level: 'silent', role: 'test' }) });
  const ingest = max === null ? null : { max, perSeconds: 3_600 };
  return testIngest(accepted, createRequestLimits({ limiter, defaults: { api: null, ingest } }));
}
const post = (app: Parameters<typeof request>[0], path: string, body: object, key = keys.writer) =>
  request(app).post(path).set('Authorization', `Bearer ${key}`).send(body);

it('refuses a key that sends more requests than its limit, a batch being one, and accepts nothing of them', async () => {
  const { app, events } = limitedIngest(2);
  await post(app, '/v1/events/batch', { events: [event, event, event] }).expect(202);
  const last = await post(app, '/v1/events', event).expect(202);
  expect(last.headers['ratelimit']).toMatch(/^"ingest";r=0;t=\d+$/);
  const refused = await post(app, '/v1/events', event).expect(429);
  expect(refused.body).toMatchObject({ code: 'rate_limited' });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  const oneShot = { customerId: 'acme', url: 'https://example.com/', payload: {} };
  await post(app, '/v1/webhooks/deliver', oneShot).expect(429);
  expect(events).toHaveLength(4);
  await post(app, '/v1/events', event, keys.acme).expect(202);
});

it('counts nothing where there is no limit', async () => {
  const { app } = limitedIngest(null);
  const answer = await post(app, '/v1/events', event).expect(202);
  expect(answer.headers).not.toHaveProperty('ratelimit');
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { operations } from '@posthorn/api-contract';
import { createLogger } from '@posthorn/runtime';
import { testRedis, waitUntil } from '@posthorn/testing';
import { type Express, Router } from 'express';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { Writable } from 'node:stream';
import request from 'supertest';

import type { KnownApiKey } from '../api-key-directory.js';
import { throttleAnonymous, authenticate } from '../authenticate.js';
import { createHttpApp } from '../create-http-app.js';
import { createIdentities, unauthorized } from '../identities.js';
import { mountOpenOperation, mountOperation } from '../mount-operation.js';
import { hashToken } from '../token-hash.js';
import { createFailedAttempts } from './failed-attempts.js';
import { createRateLimiter, type Limit } from './rate-limiter.js';
import { createRedisWindowCounter } from './redis-window-counter.js';
import { createRequestLimits } from './request-limits.js';
import type { WindowCounter } from './window-counter.js';

const redis = testRedis();
const auditTrail = { record: () => Promise.resolve() };
const tokenOf = (name: string) => `phk_${name.padEnd(43, 'x')}`;
/** A window that no test outlives. */
const slow = (max: number): Limit => ({ max, perSeconds: 3_600 });
const counters: WindowCounter[] = [];
let log: { msg: string }[] = [];
let run = 0;

beforeEach(() => {
  log = [];
  run++;
});
afterEach(() => counters.splice(0).forEach((counter) => counter.close()));
afterAll(() => redis.drop());

interface AppOptions {
  redisUrl?: string;
  api?: Limit | null;
  failuresPerMinute?: number;
  trustedProxies?: string[];
}

/** What one process has: its own connection, its own memory. Windows are those of the test. */
async function startApp({
  redisUrl = redis.url,
  api = null,
  failuresPerMinute = 0,
  trustedProxies = [],
}: AppOptions) {
  const destination = new Writable({
    write(line: Buffer, _encoding, done) {
      log.push(JSON.parse(line.toString()) as { msg: string });
      done();
    },
  });
  const logger = createLogger({ level: 'info', role: 'test', destination });
  const counter = createRedisWindowCounter({ redisUrl, prefix: `${redis.prefix}:${run}` });
  counters.push(counter);
  if (redisUrl === redis.url) await waitUntil(() => counter.add('connected', 1, 1));
  const failedAttempts = createFailedAttempts({ counter, maxPerMinute: failuresPerMinute, logger });
  const found = new Set<string>();
  const identities = createIdentities({
    apiKeys: {
      isKnown: (hash) => found.has(hash.toString('hex')),
      find: (hash) => {
        const key = keys.get(hash.toString('hex')) ?? null;
        if (key) found.add(hash.toString('hex'));
        return Promise.resolve(key);
      },
    },
    portalSessions: { find: () => Promise.resolve(null), isKnown: () => false },
    failedAttempts,
  });
  const limits = createRequestLimits({
    limiter: createRateLimiter({ counter, logger }),
    defaults: { api, ingest: null },
  });
  const router = Router();
  mountOperation(router, operations.listEvents, authenticate({ identities, limits, auditTrail }), () =>
    Promise.resolve({ status: 200, body: { data: [], nextCursor: null } }),
  );
  mountOpenOperation(
    router,
    operations.openPortalSession,
    throttleAnonymous({ failedAttempts, auditTrail }),
    () => Promise.reject(unauthorized('No.')),
  );
  return createHttpApp({ logger, routers: [router], trustedProxies });
}

const keys = new Map<string, KnownApiKey>(
  ['one', 'two', 'own'].map((name) => [
    hashToken(tokenOf(name)).toString('hex'),
    { id: name, scopes: ['read'], customerId: null, rateLimit: name === 'own' ? slow(3) : null },
  ]),
);

const list = (app: Express, name: string, address?: string) => {
  const sent = request(app)
    .get('/v1/events')
    .set('Authorization', `Bearer ${tokenOf(name)}`);
  return address === undefined ? sent : sent.set('X-Forwarded-For', address);
};
const statuses = async (times: number, send: (n: number) => Promise<{ status: number }>) => {
  const seen: number[] = [];
  for (let n = 0; n < times; n++) seen.push((await send(n)).status);
  return seen;
};
const count = (seen: number[], status: number) => seen.filter((one) => one === status).length;
const messages = () => log.map(({ msg }) => msg);

describe('the limit of a key', () => {
  it('holds over two processes, and is each key’s own', async () => {
    const apps = [await startApp({ api: slow(40) }), await startApp({ api: slow(40) })] as const;
    const seen = await statuses(120, (n) => list(apps[n % 2 === 0 ? 0 : 1], 'one'));
    expect(count(seen, 200)).toBe(40);
    expect(count(seen, 429)).toBe(80);
    for (const app of apps) await list(app, 'two').expect(200);
  });

  it('is said on every answer, and how long to wait when it is used up', async () => {
    const app = await startApp({ api: slow(2) });
    const first = await list(app, 'one').expect(200);
    expect(first.headers['ratelimit-policy']).toBe('"api";q=2;w=3600');
    expect(first.headers['ratelimit']).toMatch(/^"api";r=1;t=3(600|5\d\d)$/);
    await list(app, 'one').expect(200);
    const refused = await list(app, 'one').expect(429);
    expect(refused.body).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3_000);
    expect(refused.headers['ratelimit']).toMatch(/^"api";r=0;t=/);
  });

  it('goes before the default where a key has one of its own', async () => {
    const app = await startApp({ api: slow(10) });
    const seen = await statuses(20, () => list(app, 'own'));
    expect(count(seen, 200)).toBe(3);
    const unlimited = await startApp({});
    expect(count(await statuses(10, () => list(unlimited, 'own')), 429)).toBe(10);
    const answer = await list(unlimited, 'one').expect(200);
    expect(answer.headers).not.toHaveProperty('ratelimit');
  });

  it('is open while Redis is away, which is logged once', async () => {
    const app = await startApp({ api: slow(1), redisUrl: 'redis://127.0.0.1:1' });
    expect(count(await statuses(20, () => list(app, 'one')), 200)).toBe(20);
    expect(messages().filter((message) => message === 'rate_limits.suspended')).toHaveLength(1);
  });

  describe('with a Redis that does not answer', () => {
    let silent: Server;
    beforeAll(async () => {
      silent = createServer((socket) => socket.resume());
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => {
      silent.close();
    });

    it('is open as well', async () => {
      const { port } = silent.address() as AddressInfo;
      const app = await startApp({ api: slow(1), redisUrl: `redis://127.0.0.1:${port}` });
      expect(count(await statuses(20, () => list(app, 'one')), 200)).toBe(20);
    });
  });
});

describe('an address whose attempts fail', () => {
  const guess = (app: Express, n: number, address?: string) => list(app, `guess-${n}`, address);
  const untilRefused = (app: Express, address?: string) =>
    waitUntil(async () => (await guess(app, 999, address)).status === 429);

  it('is refused, known keys are not, and other processes hear of it with the first failure there', async () => {
    const options = { failuresPerMinute: 5, trustedProxies: ['127.0.0.1'] };
    const [app, other] = [await startApp(options), await startApp(options)];
    await list(app, 'one', '203.0.113.7').expect(200);
    expect(count(await statuses(5, (n) => guess(app, n, '203.0.113.7')), 401)).toBe(5);
    await untilRefused(app, '203.0.113.7');
    const refused = await guess(app, 6, '203.0.113.7').expect(429);
    expect(refused.body).toMatchObject({ code: 'rate_limited' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(messages().filter((message) => message === 'auth.address_limited')).toHaveLength(1);

    await list(app, 'one', '203.0.113.7').expect(200);
    await list(app, 'two', '203.0.113.7').expect(429);
    await guess(app, 7, '203.0.113.8').expect(401);
    await untilRefused(other, '203.0.113.7');
    await guess(other, 8, '203.0.113.8').expect(401);
  });

  it('is a network of 64 bits in IPv6', async () => {
    const app = await startApp({ failuresPerMinute: 3, trustedProxies: ['127.0.0.1'] });
    await statuses(3, (n) => guess(app, n, `2001:db8:1:2::${n}`));
    let host = 16;
    await waitUntil(
      async () => (await guess(app, host, `2001:db8:1:2::${(host++).toString(16)}`)).status === 429,
    );
    await guess(app, 4, '2001:db8:1:3::1').expect(401);
  });

  it('is that of the connection unless the proxy is trusted', async () => {
    const app = await startApp({ failuresPerMinute: 3 });
    await statuses(3, (n) => guess(app, n, `203.0.113.${n}`));
    let host = 16;
    await waitUntil(
      async () => (await guess(app, host, `2001:db8:${(host++).toString(16)}::1`)).status === 429,
    );
  });

  it('is refused for links into the portal as well', async () => {
    const app = await startApp({ failuresPerMinute: 3, trustedProxies: ['127.0.0.1'] });
    const open = () =>
      request(app)
        .post('/v1/portal/session')
        .set('X-Forwarded-For', '203.0.113.7')
        .send({ token: `phl_${'x'.repeat(43)}` });
    expect(count(await statuses(3, open), 401)).toBe(3);
    await waitUntil(async () => (await open()).status === 429);
    await guess(app, 1, '203.0.113.7').expect(429);
  });

  it('is not refused for sending nothing, nor without a Redis that counts', async () => {
    const app = await startApp({ failuresPerMinute: 2 });
    expect(count(await statuses(10, () => request(app).get('/v1/events')), 401)).toBe(10);
    const blind = await startApp({ failuresPerMinute: 2, redisUrl: 'redis://127.0.0.1:1' });
    expect(count(await statuses(10, (n) => guess(blind, n)), 401)).toBe(10);
  });
});

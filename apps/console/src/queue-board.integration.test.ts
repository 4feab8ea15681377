import type { Server } from 'node:http';
import { createApiKeyStore, createPortalLinkStore, openDatabase, type Database } from '@posthorn/database';
import { createUuidV7, encodeId } from '@posthorn/domain';
import {
  authenticateOperator,
  createApiKeyDirectory,
  createHttpApp,
  createIdentities,
  createPortalSessionDirectory,
} from '@posthorn/http';
import { createQueueProducer, openLiveLanes, type QueueProducer } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import {
  createTestDatabase,
  testRedis,
  waitUntil,
  type TestDatabase,
  type TestRedis,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { createQueueBoard, type QueueBoard } from './queue-board.js';

const LANES_MAX = 5;
const logger = createLogger({ level: 'silent', role: 'test' });
let testDatabase: TestDatabase;
let database: Database;
let redis: TestRedis;
let queue: QueueProducer;
let board: QueueBoard;
let server: Server;
let adminKey: string;
let readKey: string;
let acmeKey: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  redis = testRedis();
  database = openDatabase({ url: testDatabase.url, poolMax: 2, logger });
  queue = createQueueProducer({
    redisUrl: redis.url,
    prefix: redis.prefix,
    logger,
    commandTimeoutMs: 30_000,
  });
  await waitUntil(() => queue.status() === 'ready');
  const apiKeys = createApiKeyStore(database);
  await database.pool.query("INSERT INTO customer (id) VALUES ('acme')");
  const createKey = async (scope: 'admin' | 'read', customerId: string | null) => {
    const outcome = await apiKeys.create({ name: null, scopes: [scope], customerId });
    if (outcome.kind !== 'created') throw new Error(outcome.kind);
    return outcome.key;
  };
  adminKey = await createKey('admin', null);
  readKey = await createKey('read', null);
  acmeKey = await createKey('admin', 'acme');
  board = createQueueBoard({
    authentication: authenticateOperator(
      createIdentities({
        apiKeys: createApiKeyDirectory({ apiKeys, clock: database.clock, logger }),
        portalSessions: createPortalSessionDirectory(createPortalLinkStore(database)),
        failedAttempts: { refuse: () => undefined, note: () => undefined },
      }),
    ),
    openLanes: () => openLiveLanes({ redisUrl: redis.url, prefix: redis.prefix, lanesMax: LANES_MAX }),
  });
  server = createHttpApp({ logger, routers: [board.router] }).listen(0, '127.0.0.1');
});
afterAll(async () => {
  server.close();
  board.close();
  await queue.close();
  await redis.drop();
  await database.close();
  await testDatabase.drop();
});

interface Queues {
  queues: { name: string; counts: Record<string, number>; readOnlyMode: boolean; delimiter: string }[];
}

const get = (path: string) => supertest(server).get(path).set('Authorization', `Bearer ${adminKey}`);
const shown = async () => (await get('/queues/api/queues').expect(200)).body as Queues;

function jobs(count: number, customerId: string) {
  const endpointId = createUuidV7(Date.now());
  return Array.from({ length: count }, (_, n) => ({
    customerId,
    endpointId,
    deliveryId: createUuidV7(Date.now()),
    eventId: createUuidV7(Date.now()),
    generation: 1,
    delayMs: n === 0 ? 60_000 : 0,
  }));
}

describe('the queue board', () => {
  it('lets in an admin key of all customers only, as bearer or as the password of a browser', async () => {
    const page = supertest(server);
    const refused = await page.get('/queues').expect(401);
    expect(refused.headers['www-authenticate']).toMatch(/^Basic /);
    expect(refused.headers['content-type']).toMatch('application/problem+json');
    await page.get('/queues').set('Authorization', 'Bearer phk_00000000000000000000').expect(401);
    await page.get('/queues').auth('operator', 'phk_00000000000000000000').expect(401);
    await page.get('/queues/api/queues').expect(401);
    await page.get('/queues/static/images/logo.svg').expect(401);
    await page.get('/queues').set('Authorization', `Bearer ${readKey}`).expect(403);
    await page.get('/queues').set('Authorization', `Bearer ${acmeKey}`).expect(403);
    const opened = await page.get('/queues').auth('operator', adminKey).expect(200);
    expect(opened.text).toContain('Posthorn queues');
    expect(opened.headers['content-security-policy']).toContain("default-src 'none'");
    await page.get('/queues/static/images/logo.svg').auth('operator', adminKey).expect(200);
  });

  it('shows the lanes that hold something, with what they hold, a bounded number of them', async () => {
    expect(await shown()).toMatchObject({ queues: [] });
    const acme = jobs(3, 'acme');
    await queue.enqueue(acme);
    const lane = `acme/${encodeId('ep', acme[0]!.endpointId)}`;
    await waitUntil(async () => (await shown()).queues.length === 1);
    expect((await shown()).queues).toMatchObject([
      { name: lane, counts: { waiting: 2, delayed: 1 }, readOnlyMode: true, delimiter: '/' },
    ]);
    await queue.enqueue(Array.from({ length: 20 }, (_, n) => jobs(1, `customer-${n}`)).flat());
    await waitUntil(async () => (await shown()).queues.length > 1);
    expect((await shown()).queues).toHaveLength(LANES_MAX);
  });

  it('shows a job by its ids', async () => {
    const { queues } = await shown();
    const name = queues.find((one) => one.name.startsWith('acme/'))!.name;
    const answer = await get(
      `/queues/api/queues?activeQueue=${encodeURIComponent(name)}&status=latest&page=1`,
    );
    const own = (answer.body as { queues: { name: string; jobs: { data: object }[] }[] }).queues;
    const data = own.find((one) => one.name === name)!.jobs[0]!.data;
    expect(Object.keys(data).sort()).toEqual(['deliveryId', 'endpointId', 'eventId', 'generation']);
  });

  it('changes nothing: neither by what it writes, nor by what anyone can ask of it', async () => {
    const before = await redis.keys();
    const { queues } = await shown();
    const { name } = queues[0]!;
    for (const action of ['pause', 'empty', 'obliterate', 'promote', 'retry/failed']) {
      const path = `/queues/api/queues/${encodeURIComponent(name)}/${action}`;
      for (const request of [supertest(server).put(path), supertest(server).post(path)]) {
        await request.set('Authorization', `Bearer ${adminKey}`).expect(405);
      }
    }
    expect(await redis.keys()).toEqual(before);
  });
});

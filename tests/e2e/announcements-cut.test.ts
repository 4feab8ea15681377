import {
  createTestDatabase,
  startPrivateRedis,
  startReceiver,
  waitUntil,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { allDelivered, ledgerOf } from './support/history.js';
import { redisCommand } from './support/redis-command.js';
import { startBeside } from './support/start-beside.js';
import {
  addEndpoint,
  expectStatus,
  prepareDatabase,
  startPosthorn,
  type Posthorn,
} from './support/start-posthorn.js';

const CUSTOMERS = 10;
const CUTS = 20;

let folder: string;
let database: TestDatabase;
let redis: Awaited<ReturnType<typeof startPrivateRedis>>;
let receiver: Receiver;
let posthorn: Posthorn;
let workers: Posthorn[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-announcements-'));
  [database, receiver, redis] = await Promise.all([
    createTestDatabase(),
    startReceiver(),
    startPrivateRedis({ dataDir: path.join(folder, 'redis') }),
  ]);
  await prepareDatabase(database.url);
  posthorn = await startPosthorn({
    databaseUrl: database.url,
    redisUrl: redis.url,
    roles: ['ingest', 'console'],
    // What an announcement would have started must not be left to the sweep.
    env: { POSTHORN_SWEEP_INTERVAL_MS: '600000' },
  });
  workers = await Promise.all([startBeside(posthorn, ['worker']), startBeside(posthorn, ['worker'])]);
  for (const customerId of customers) await addEndpoint(posthorn, customerId, { url: receiver.url });
}, 300_000);

afterAll(async () => {
  await Promise.all([posthorn, ...workers].map((each) => each.stop()));
  await Promise.all([receiver.close(), redis.stop()]);
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const customers = Array.from({ length: CUSTOMERS }, (_, n) => `customer-${n}`);

/** Workers that listen to announcements: each to two channels. */
async function subscribers(): Promise<number> {
  const clients = await redisCommand(redis.url, 'CLIENT LIST TYPE pubsub');
  return clients.split('\n').filter((client) => client.includes(' sub=2 ')).length;
}

describe('pub/sub connections that are cut again and again under traffic', () => {
  it('lose nothing and end no lease: everything is delivered, exactly once', async () => {
    // So slow that every cut finds sends on the wire.
    receiver.respondWith(() => ({ status: 200, delayMs: 200 }));
    const eventIds: string[] = [];
    for (let cut = 0; cut < CUTS; cut += 1) {
      const events = customers.map((customerId) => ({ customerId, type: 'invoice.paid', data: { cut } }));
      const { body } = await expectStatus(
        posthorn.call<{ results: { id: string }[] }>('POST', '/v1/events/batch', { events }),
        202,
      );
      eventIds.push(...body.results.map(({ id }) => id));
      await waitUntil(async () => (await subscribers()) === workers.length, { timeoutMs: 60_000 });
      await redisCommand(redis.url, 'CLIENT KILL TYPE pubsub');
    }
    await receiver.waitFor((requests) => requests.length >= eventIds.length, { timeoutMs: 60_000 });
    for (const customerId of customers)
      await waitUntil(async () => (await ledgerOf(posthorn, customerId)).delivered === CUTS, {
        timeoutMs: 60_000,
      });

    expect(receiver.requests.map(({ headers }) => headers['webhook-id']).sort()).toEqual(eventIds.sort());
    for (const customerId of customers)
      expect(await ledgerOf(posthorn, customerId)).toEqual(allDelivered(CUTS));
    for (const worker of workers) {
      expect(worker.output()).toContain('queue.connection_down');
      expect(worker.output()).not.toMatch(/lease\.lost|job\.taken_over/);
    }
  }, 400_000);
});

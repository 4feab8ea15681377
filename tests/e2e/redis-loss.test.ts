import {
  createTestDatabase,
  startPrivateRedis,
  startReceiver,
  waitUntil,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { redisCommand } from './support/redis-command.js';
import {
  addEndpoint,
  expectStatus,
  prepareDatabase,
  startPosthorn,
  type Posthorn,
} from './support/start-posthorn.js';

const run = promisify(execFile);
const CUSTOMERS = 5;
const PER_ENDPOINT_IN_FLIGHT = 10;

let folder: string;
let database: TestDatabase;
let redis: Awaited<ReturnType<typeof startPrivateRedis>>;
let receiver: Receiver;
let posthorn: Posthorn;
/** Every event accepted in this test. */
let accepted: string[];

beforeEach(async () => {
  accepted = [];
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-redis-loss-'));
  [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  await prepareDatabase(database.url);
}, 300_000);

afterEach(async () => {
  await posthorn.stop();
  await Promise.all([receiver.close(), redis.stop()]);
  await database.drop();
  await rm(folder, { recursive: true, force: true });
}, 300_000);

async function start(options: { persistent?: boolean } = {}): Promise<void> {
  await startRedis(options);
  posthorn = await startPosthorn({ databaseUrl: database.url, redisUrl: redis.url });
  for (const customerId of customers())
    await addEndpoint(posthorn, customerId, {
      url: receiver.url,
      retryPolicy: { delaysSeconds: [3], maxAttempts: 3 },
    });
}

async function startRedis({ persistent, port }: { persistent?: boolean; port?: number }): Promise<void> {
  redis = await startPrivateRedis({ dataDir: path.join(folder, 'redis'), persistent, port });
}

const customers = () => Array.from({ length: CUSTOMERS }, (_, n) => `customer-${n}`);

/** Posts that many events, spread over the customers. */
async function post(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; from < count; from += 100) {
    const events = Array.from({ length: Math.min(100, count - from) }, (_, n) => ({
      customerId: `customer-${n % CUSTOMERS}`,
      type: 'invoice.paid',
      data: { n },
    }));
    const { body } = await expectStatus(
      posthorn.call<{ results: { id: string }[] }>('POST', '/v1/events/batch', { events }),
      202,
    );
    ids.push(...body.results.map(({ id }) => id));
  }
  accepted.push(...ids);
  return ids;
}

/** Answers nothing until opened; then 200 to all that wait and to all that come. */
function holdAnswers(): () => void {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  receiver.respondWith(async () => {
    await opened;
    return { status: 200 };
  });
  return open;
}

const eventsReceived = (): string[] => receiver.requests.map(({ headers }) => String(headers['webhook-id']));

/** Sends of the events beyond the first of each. */
function sentAgain(): string[] {
  const seen = new Set<string>();
  return eventsReceived().filter((id) => seen.size === seen.add(id).size);
}

async function untilAllDelivered(timeoutMs = 40_000): Promise<void> {
  const unfinished = async (): Promise<number> => {
    let count = 0;
    for (const customerId of customers()) {
      for (const status of ['pending', 'held', 'dead_lettered', 'cancelled']) {
        const { body } = await expectStatus(
          posthorn.call<{ data: unknown[] }>(
            'GET',
            `/v1/deliveries?customerId=${customerId}&status=${status}&limit=1`,
          ),
          200,
        );
        count += body.data.length;
      }
    }
    return count;
  };
  try {
    await waitUntil(async () => new Set(eventsReceived()).size === accepted.length, { timeoutMs });
    await waitUntil(async () => (await unfinished()) === 0, { timeoutMs });
  } catch (error) {
    throw new Error(posthorn.output().slice(-4_000), { cause: error });
  }
  expect(new Set(eventsReceived())).toEqual(new Set(accepted));
}

/** Gives what Redis answers. */
describe('after Redis has lost its jobs, every accepted event is delivered', () => {
  it('when it was emptied with 2,000 pending; sent again is at most what was on the wire just then', async () => {
    await start();
    const answer = holdAnswers();
    await post(2_000);
    await receiver.waitFor(CUSTOMERS * PER_ENDPOINT_IN_FLIGHT);
    const onTheWire = new Set(eventsReceived());
    await redisCommand(redis.url, 'FLUSHALL');
    answer();
    await untilAllDelivered();
    for (const id of sentAgain()) expect(onTheWire).toContain(id);
    expect(posthorn.output()).toContain('sweep.queue_lost');
  }, 300_000);

  it('when it was killed and came back empty, also retries that were waiting for their time', async () => {
    await start();
    // Not 500: that many failures would open the endpoints' breakers, which a 429 leaves alone.
    receiver.respondWith(() => ({ status: 429 }));
    const failed = await post(100);
    await receiver.waitFor(100);
    const answer = holdAnswers();
    await post(200);
    await receiver.waitFor(100 + CUSTOMERS * PER_ENDPOINT_IN_FLIGHT);
    const before = new Set(eventsReceived());
    process.kill(redis.pid, 'SIGKILL');
    await redis.stop();
    await startRedis({ port: redis.port });
    answer();
    await untilAllDelivered();
    for (const id of sentAgain()) expect(before).toContain(id);
    const attempted = (id: string) => eventsReceived().filter((received) => received === id).length;
    for (const id of failed) expect(attempted(id)).toBeGreaterThanOrEqual(2);
  }, 300_000);

  it('when it was put back to an older dump, and what that holds of the past is not sent again', async () => {
    await start({ persistent: true });
    const data = path.join(folder, 'redis', 'data');
    const dump = path.join(folder, 'dump');
    let answer = holdAnswers();
    await post(300);
    await receiver.waitFor(CUSTOMERS * PER_ENDPOINT_IN_FLIGHT);
    await run('cp', ['-a', path.join(data, 'appendonlydir'), dump]);
    answer();
    await untilAllDelivered();

    answer = holdAnswers();
    const late = await post(300);
    await receiver.waitFor(300 + CUSTOMERS * PER_ENDPOINT_IN_FLIGHT);
    const onTheWire = new Set(eventsReceived().slice(300));
    await redis.stop();
    await run('rm', ['-r', path.join(data, 'appendonlydir')]);
    await run('cp', ['-a', dump, path.join(data, 'appendonlydir')]);
    await startRedis({ persistent: true, port: redis.port });
    expect(Number(await redisCommand(redis.url, 'DBSIZE'))).toBeGreaterThan(100);
    answer();
    await untilAllDelivered();
    for (const id of sentAgain()) expect(onTheWire).toContain(id);
    expect(late.every((id) => eventsReceived().includes(id))).toBe(true);
  }, 300_000);
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createQueueProducer, type DeliveryJob, type QueueProducer } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { redisCommand, startPrivateRedis, waitUntil } from '@posthorn/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { createEventAcceptor, type EventAcceptor } from '../accept/accept-event.js';
import { createRouteCache } from '../accept/route-cache.js';
import { createDeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createSweep, type Sweep, type SweepResult } from './sweep.js';

const WAITING = 200_000;
/** Two customers are at their limit. */
const IN_REDIS = 20_000;
const SOON = 500;

let pipeline: OpenPipeline;
let folder: string;
let redis: Awaited<ReturnType<typeof startPrivateRedis>>;
let queue: QueueProducer;
let sweep: Sweep;
let acceptor: EventAcceptor;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-waiting-'));
  [pipeline, redis] = await Promise.all([
    openPipeline(),
    startPrivateRedis({ dataDir: path.join(folder, 'redis') }),
  ]);
  const logger = createLogger({ level: 'error', role: 'test' });
  queue = createQueueProducer({ redisUrl: redis.url, logger, commandTimeoutMs: 30_000 });
  await waitUntil(() => queue.status() === 'ready');
  const { pool, clock } = pipeline.database;
  sweep = createSweep({ pool, queue, logger, shard: '{ph:0}', graceMs: 10_000, intervalMs: 5_000 });
  acceptor = createEventAcceptor({
    pool,
    clock,
    routes: createRouteCache((customerId) => pipeline.endpointStore.readRoutes(customerId)),
    enqueuer: createDeliveryEnqueuer(queue, logger),
    logger,
    idempotencyWindowHours: 24,
    retentionDays: 30,
  });
  await pipeline.addCustomer('acme');
  await pipeline.addEndpoint('acme', { url: 'http://127.0.0.1:9/' });
}, 400_000);
afterAll(async () => {
  await acceptor.close();
  await queue.close();
  await redis.stop();
  await pipeline.close();
  await rm(folder, { recursive: true, force: true });
}, 400_000);

/** Deliveries of two customers that wait for a retry, spread evenly from one moment to another. */
async function addWaiting(count: number, fromSeconds: number, toSeconds: number): Promise<DeliveryJob[]> {
  const { rows } = await pipeline.database.pool.query<Omit<DeliveryJob, 'generation'>>(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, attempts, next_attempt_at, created_at, expires_at)
     SELECT delivery_id(event_id, endpoint_id), event_id, endpoint_id, 'waiting-' || n % 2, 'invoice.paid', 'pending', 1,
            now() + interval '1 second' * ($2::float8 + ($3::float8 - $2::float8) * n / $1::int), now(), now() + interval '3 days'
       FROM generate_series(1, $1::int) AS n
      CROSS JOIN LATERAL (
        SELECT (lpad(to_hex($4::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS event_id,
               ('019a0000000070008000' || lpad(to_hex(n % 2), 12, '0'))::uuid AS endpoint_id
       ) AS ids
     RETURNING id AS "deliveryId", event_id AS "eventId", endpoint_id AS "endpointId", customer_id AS "customerId",
               extract(epoch FROM next_attempt_at - now())::float8 * 1000 AS "delayMs"`,
    [count, fromSeconds, toSeconds, Date.now() + fromSeconds],
  );
  return rows.map((row) => ({ ...row, generation: 1 }));
}

async function usedMemory(): Promise<number> {
  const info = String(await redisCommand(redis.url, 'INFO', 'memory'));
  return Number(/used_memory:(\d+)/.exec(info)?.[1]);
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

async function pass(name: string): Promise<SweepResult> {
  const result = await sweep.run(new AbortController().signal);
  if (!result) throw new Error('Another process is sweeping');
  print(
    `sweep beside ${WAITING} waiting retries, ${name}: rows read ${result.read}, enqueued in time ${result.ahead}, scripts called ${result.scripts}`,
  );
  return result;
}

/** CPU of this process and latency per accepted event, two hundred at a time. */
async function acceptCost(): Promise<{ cpuMicros: number; latencyMs: number }> {
  const rounds = 15;
  const latencies: number[] = [];
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(
      Array.from({ length: 200 }, async () => {
        const startedMs = performance.now();
        const outcome = await acceptor.accept({
          customerId: 'acme',
          type: 'invoice.paid',
          dataSource: '{"n":1}',
          externalId: null,
          occurredAtMs: null,
          idempotencyKey: null,
        });
        expect(outcome.kind).toBe('accepted');
        latencies.push(performance.now() - startedMs);
      }),
    );
  }
  const { user, system } = process.cpuUsage(before);
  latencies.sort((a, b) => a - b);
  return {
    cpuMicros: (user + system) / (rounds * 200),
    latencyMs: latencies[latencies.length >> 1] ?? 0,
  };
}

describe('two hundred thousand retries that wait', () => {
  it('cost accepting nothing, Redis little, and the sweep only what is due soon, also after Redis lost everything', async () => {
    await acceptCost();
    const without = await acceptCost();

    const before = await usedMemory();
    const inRedis = await addWaiting(IN_REDIS, 3_600, 86_400);
    await queue.enqueue(inRedis);
    print(
      `Redis holds ${Math.round(((await usedMemory()) - before) / IN_REDIS)} bytes for each waiting retry`,
    );
    await addWaiting(WAITING - IN_REDIS, 3_601, 86_401);
    await pipeline.database.pool.query('ANALYZE delivery');

    const beside = await acceptCost();
    print(
      `accepting beside ${WAITING} waiting (${IN_REDIS} in Redis): ${beside.cpuMicros.toFixed(0)} µs CPU and ` +
        `${beside.latencyMs.toFixed(1)} ms each; beside none ${without.cpuMicros.toFixed(0)} µs and ${without.latencyMs.toFixed(1)} ms; ` +
        `ratio ${(beside.cpuMicros / without.cpuMicros).toFixed(2)} and ${(beside.latencyMs / without.latencyMs).toFixed(2)}`,
    );
    // Only against a cost that grows with the backlog: ten thousand times as much to look at.
    expect(beside.cpuMicros).toBeLessThan(10 * without.cpuMicros);

    await acceptor.close();
    await pipeline.database.pool.query("DELETE FROM delivery WHERE customer_id = 'acme'");
    // Within the 30 s that the sweep looks ahead; on a slow machine some may have come due by then, and are the next walk's.
    await addWaiting(SOON, 20, 24);
    const soon = await pass('what is due soon');
    expect(soon).toMatchObject({ enqueued: 0 });
    expect(soon.ahead).toBeGreaterThan(0);
    expect(soon.ahead).toBeLessThanOrEqual(SOON);
    expect(await pass('idle')).toMatchObject({ read: 0, scripts: 1 });

    await redisCommand(redis.url, 'FLUSHALL');
    const lost = await pass('after Redis lost everything');
    expect(lost).toMatchObject({ lost: true, enqueued: 0 });
    // Those that have come due meanwhile, on a slow machine, are the first walk's after the grace.
    expect(lost.ahead).toBeLessThanOrEqual(SOON);
    expect((await queue.jobStates(inRedis)).missing).toHaveLength(IN_REDIS);
    expect(Number(await redisCommand(redis.url, 'DBSIZE'))).toBeLessThan(SOON + 50);
  }, 400_000);
});

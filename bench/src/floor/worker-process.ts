import { Worker } from 'bullmq';
import { createHmac } from 'node:crypto';
import pg from 'pg';
import { Agent } from 'undici';

import { answerParent } from '../frame/child-process.js';
import { createGroup } from './group.js';
import {
  connectRedis,
  floorPrefix,
  shareConnection,
  SharedBackend,
  wakeChannel,
  type FloorJob,
} from './shared-backend.js';

interface Attempt {
  deliveryId: string;
  responseCode: number;
  latencyMs: number;
  responseBody: string;
  startedAt: Date;
}

const CONCURRENCY_PER_CUSTOMER = 10;
const SECRET = Buffer.from('a secret of thirty-two bytes....');

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 4 });
const redisUrl = process.env['REDIS_URL'] ?? '';
const redis = connectRedis(redisUrl);
const subscriber = connectRedis(redisUrl);
const factory = await shareConnection(redis);
const agent = new Agent({ connections: Number(process.env['CONNECTIONS'] ?? 64) });
const workers = new Map<string, Worker<FloorJob, void, string, SharedBackend>>();
const endpoints = new Map<string, string>();

const loadBody = createGroup<string, string>(async (ids) => {
  const { rows } = await pool.query<{ id: string; body: string }>({
    name: 'load',
    text: 'SELECT id, body FROM event WHERE id = ANY ($1::uuid[])',
    values: [ids],
  });
  const bodies = new Map(rows.map(({ id, body }) => [id, body]));
  return ids.map((id) => bodies.get(id) ?? '');
});

const record = createGroup<Attempt, undefined>(async (attempts) => {
  await pool.query({
    name: 'record',
    text: `WITH recorded AS (
             INSERT INTO attempt (delivery_id, number, response_code, latency_ms, response_body, started_at)
             SELECT a.delivery_id, 1, a.code, a.ms, a.body, a.started_at
               FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::timestamptz[])
                 AS a (delivery_id, code, ms, body, started_at)
           )
           UPDATE delivery d SET status = s.status, attempts = 1, next_attempt_at = NULL
             FROM unnest($1::uuid[], $6::text[]) AS s (id, status) WHERE d.id = s.id`,
    values: [
      attempts.map(({ deliveryId }) => deliveryId),
      attempts.map(({ responseCode }) => responseCode),
      attempts.map(({ latencyMs }) => latencyMs),
      attempts.map(({ responseBody }) => responseBody),
      attempts.map(({ startedAt }) => startedAt),
      attempts.map(({ responseCode }) => (responseCode < 300 ? 'delivered' : 'dead_lettered')),
    ],
  });
  return attempts.map(() => undefined);
});

async function deliver(customerId: string, { eventId, deliveryId }: FloorJob): Promise<void> {
  const body = await loadBody(eventId);
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', SECRET).update(`${eventId}.${timestamp}.${body}`).digest('base64');
  const { origin, pathname } = new URL(endpoints.get(customerId) ?? '');
  const startedAt = new Date();
  const startedMs = performance.now();
  const response = await agent.request({
    origin,
    path: pathname,
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': eventId,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signature}`,
    },
  });
  const responseBody = await response.body.text();
  const latencyMs = Math.round(performance.now() - startedMs);
  await record({ deliveryId, responseCode: response.statusCode, latencyMs, responseBody, startedAt });
}

function wake(customerId: string): void {
  const known = workers.get(customerId);
  if (known) {
    known.getBackend().wake();
    return;
  }
  const worker = new Worker<FloorJob, void, string, SharedBackend>(
    customerId,
    (job) => deliver(customerId, job.data),
    {
      connection: redis,
      prefix: floorPrefix,
      concurrency: CONCURRENCY_PER_CUSTOMER,
      stalledInterval: 60_000,
    },
    factory,
  );
  worker.on('error', (error) => process.stderr.write(`floor: ${error.message}\n`));
  workers.set(customerId, worker);
}

subscriber.on('message', (_channel, customers) => {
  for (const customerId of customers.split(',')) wake(customerId);
});
await subscriber.subscribe(wakeChannel);
const { rows } = await pool.query<{ customer_id: string; url: string }>(
  'SELECT customer_id, url FROM endpoint',
);
for (const { customer_id, url } of rows) {
  endpoints.set(customer_id, url);
  // Something may have come while no worker ran.
  wake(customer_id);
}
answerParent('ready', () => null);

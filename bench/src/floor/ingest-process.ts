import { Queue } from 'bullmq';
import express from 'express';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

import { answerParent } from '../frame/child-process.js';
import { createGroup } from './group.js';
import { connectRedis, floorPrefix, shareConnection, wakeChannel, type FloorJob } from './shared-backend.js';

interface Accepted {
  id: string;
  deliveryId: string;
  customerId: string;
  type: string;
  body: string;
  acceptedAt: Date;
}

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 4 });
const redis = connectRedis(process.env['REDIS_URL'] ?? '');
const factory = await shareConnection(redis);
const queues = new Map<string, Queue<FloorJob>>();

const accept = createGroup<Accepted, undefined>(async (events) => {
  await pool.query({
    name: 'accept',
    text: `WITH inserted AS (
             INSERT INTO event (id, customer_id, type, body, accepted_at)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $6::timestamptz[])
           )
           INSERT INTO delivery (id, event_id, customer_id, status, next_attempt_at)
           SELECT d.id, d.event_id, d.customer_id, 'pending', now()
             FROM unnest($5::uuid[], $1::uuid[], $2::text[]) AS d (id, event_id, customer_id)`,
    values: [
      events.map(({ id }) => id),
      events.map(({ customerId }) => customerId),
      events.map(({ type }) => type),
      events.map(({ body }) => body),
      events.map(({ deliveryId }) => deliveryId),
      events.map(({ acceptedAt }) => acceptedAt),
    ],
  });
  void enqueue(events);
  return events.map(() => undefined);
});

async function enqueue(events: readonly Accepted[]): Promise<void> {
  const byCustomer = new Map<string, { name: string; data: FloorJob; opts: object }[]>();
  for (const { id, deliveryId, customerId } of events) {
    const jobs = byCustomer.get(customerId) ?? [];
    byCustomer.set(customerId, jobs);
    jobs.push({
      name: 'deliver',
      data: { eventId: id, deliveryId },
      opts: { jobId: deliveryId, removeOnComplete: true, removeOnFail: true },
    });
  }
  await Promise.all(Array.from(byCustomer, ([customerId, jobs]) => queueOf(customerId).addBulk(jobs)));
  await redis.publish(wakeChannel, [...byCustomer.keys()].join(','));
}

function queueOf(customerId: string): Queue<FloorJob> {
  let queue = queues.get(customerId);
  if (!queue) {
    queue = new Queue<FloorJob>(
      customerId,
      { connection: redis, prefix: floorPrefix, skipMetasUpdate: true },
      factory,
    );
    queues.set(customerId, queue);
  }
  return queue;
}

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.post('/v1/events', express.text({ type: '*/*' }), async (request, response) => {
  const { customerId, type, data } = JSON.parse(request.body as string) as Record<string, string>;
  const id = uuidV7();
  const acceptedAt = new Date();
  const body = JSON.stringify({ id, type, timestamp: acceptedAt.toISOString(), data });
  await accept({
    id,
    deliveryId: uuidV7(),
    customerId: customerId ?? '',
    type: type ?? '',
    body,
    acceptedAt,
  });
  response.status(202).json({ id });
});
const server = app.listen(0, '127.0.0.1', () => {
  answerParent({ port: (server.address() as AddressInfo).port }, () => null);
});

/** Ids in the order of time keep the indexes' inserts together. */
function uuidV7(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

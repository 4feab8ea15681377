import { Worker } from 'bullmq';
import got from 'got';
import { Agent } from 'node:http';
import { createHmac } from 'node:crypto';

import { answerParent } from '../frame/child-process.js';
import { openPrisma, queueName, redisConnection, type NaiveJob } from './naive-queue.js';

const CONCURRENCY = 50;
const TIMEOUT_MS = 30_000;
const SECRET = 'a secret of thirty-two bytes....';

const prisma = openPrisma();
const agent = new Agent({ keepAlive: true });

const worker = new Worker<NaiveJob>(
  queueName,
  async ({ data: { deliveryId } }) => {
    const delivery = await prisma.delivery.findUniqueOrThrow({
      where: { id: deliveryId },
      include: { event: true, endpoint: true },
    });
    const { id, type, createdAt, data } = delivery.event;
    const body = JSON.stringify({ id, type, timestamp: createdAt.toISOString(), data });
    const startedAt = new Date();
    const answer = await post(delivery.endpoint.url, id, body);
    const latencyMs = Date.now() - startedAt.getTime();
    await prisma.attempt.create({ data: { deliveryId, latencyMs, startedAt, ...answer } });
    if (answer.error !== null) throw new Error(answer.error);
    await prisma.delivery.update({ where: { id: deliveryId }, data: { status: 'delivered' } });
  },
  { connection: redisConnection(), concurrency: CONCURRENCY },
);
worker.on('error', (error) => process.stderr.write(`naive: ${error.message}\n`));

async function post(
  url: string,
  id: string,
  body: string,
): Promise<{ responseCode: number | null; error: string | null }> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', SECRET).update(`${id}.${timestamp}.${body}`).digest('base64');
  try {
    const { statusCode, ok } = await got.post(url, {
      body,
      agent: { http: agent },
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      timeout: { request: TIMEOUT_MS },
      retry: { limit: 0 },
      throwHttpErrors: false,
    });
    return { responseCode: statusCode, error: ok ? null : `Status ${statusCode}` };
  } catch (error) {
    return { responseCode: null, error: (error as Error).message };
  }
}

answerParent('ready', () => null);

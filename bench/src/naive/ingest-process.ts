import { Queue } from 'bullmq';
import express from 'express';
import type { AddressInfo } from 'node:net';

import { answerParent } from '../frame/child-process.js';
import { openPrisma, queueName, redisConnection, type NaiveJob } from './naive-queue.js';

const prisma = openPrisma();
const queue = new Queue<NaiveJob>(queueName, { connection: redisConnection() });
const app = express();
app.use(express.json({ limit: '256kb' }));

app.post('/v1/events', async (request, response) => {
  const { customerId, type, data } = request.body as { customerId: string; type: string; data: object };
  const endpoints = await prisma.endpoint.findMany({ where: { customerId } });
  const event = await prisma.event.create({ data: { customerId, type, data } });
  for (const endpoint of endpoints) {
    const delivery = await prisma.delivery.create({ data: { eventId: event.id, endpointId: endpoint.id } });
    await queue.add(
      'deliver',
      { deliveryId: delivery.id },
      { attempts: 12, backoff: { type: 'exponential', delay: 5_000 }, removeOnComplete: true },
    );
  }
  response.status(202).json({ id: event.id });
});

const server = app.listen(0, '127.0.0.1', () => {
  answerParent({ port: (server.address() as AddressInfo).port }, () => null);
});

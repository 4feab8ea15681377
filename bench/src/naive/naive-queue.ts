import { PrismaPg } from '@prisma/adapter-pg';

import { PrismaClient } from '../generated/client.js';

export interface NaiveJob {
  deliveryId: string;
}

export const queueName = 'naive-deliveries';

export function openPrisma(): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env['DATABASE_URL'] }) });
}

export function redisConnection() {
  return { url: process.env['REDIS_URL'] ?? '', maxRetriesPerRequest: null };
}

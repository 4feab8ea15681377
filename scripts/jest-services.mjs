// Jest's globalSetup for the integration and e2e projects: one Postgres and one Redis for the whole run, in temporary
// folders, unless DATABASE_URL or REDIS_URL name others. They stop with this process even when Jest is killed.
import path from 'node:path';
import './typescript-source.mjs';

const running = Symbol.for('posthorn.test-services');
const root = path.resolve(import.meta.dirname, '..');

export default async function startServices() {
  if (globalThis[running]) return; // both projects name this file
  const stops = (globalThis[running] = []);
  const { prepareTemplate, startTestPostgres, startPrivateRedis } =
    await import('../packages/testing/src/index.ts');
  const { deployMigrations } = await import('../packages/database/src/migrate.ts');

  const databaseUrl = process.env.DATABASE_URL || (await keep(startTestPostgres(), stops)).url;
  const redisUrl = process.env.REDIS_URL || (await keep(startPrivateRedis(), stops)).url;
  process.env.POSTHORN_TEST_DATABASE_URL = databaseUrl;
  process.env.POSTHORN_TEST_REDIS_URL = redisUrl;
  process.env.POSTHORN_TEST_TEMPLATE = await prepareTemplate(
    databaseUrl,
    path.join(root, 'prisma/migrations'),
    deployMigrations,
  );
}

export async function stopServices() {
  const stops = globalThis[running] ?? [];
  delete globalThis[running];
  for (const stop of stops.reverse()) await stop();
}

async function keep(starting, stops) {
  const service = await starting;
  stops.push(service.stop);
  return service;
}

import { randomUUID } from 'node:crypto';

import { startChild } from '../frame/child-process.js';
import type { Contestant } from '../frame/contestant.js';
import type { Stage } from '../frame/stage.js';
import { startWorkerSlot } from '../frame/worker-slot.js';

/** What `prisma migrate` makes of schema.prisma. */
const TABLES = `
  CREATE TABLE endpoint (id uuid PRIMARY KEY, customer_id text NOT NULL, url text NOT NULL);
  CREATE INDEX ON endpoint (customer_id);
  CREATE TABLE event (
    id uuid PRIMARY KEY, customer_id text NOT NULL, type text NOT NULL, data jsonb NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TABLE delivery (
    id uuid PRIMARY KEY, event_id uuid NOT NULL REFERENCES event, endpoint_id uuid NOT NULL REFERENCES endpoint,
    status text NOT NULL DEFAULT 'pending', created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
  );
  CREATE INDEX ON delivery (status);
  CREATE TABLE attempt (
    id uuid PRIMARY KEY, delivery_id uuid NOT NULL REFERENCES delivery, response_code int, error text,
    latency_ms int NOT NULL, started_at timestamp(3) NOT NULL
  );
  CREATE INDEX ON attempt (delivery_id);`;

/**
 * The service a team would write first: an Express route that stores event and deliveries by Prisma and adds a job per
 * delivery to one BullMQ queue; a worker that reads the delivery, posts it by got, stores the attempt and updates the
 * delivery. Retries are BullMQ's.
 */
export async function startNaive(stage: Stage): Promise<Contestant> {
  const { url, pool } = await stage.createDatabase('naive');
  await pool.query(TABLES);
  const env = { DATABASE_URL: url, REDIS_URL: stage.redisUrl };
  const worker = await startWorkerSlot(stage, new URL('./worker-process.js', import.meta.url), env);
  const ingest = await startChild<{ port: number }>(new URL('./ingest-process.js', import.meta.url), { env });
  stage.onStop(() => ingest.stop());

  return {
    name: 'naive',
    ingest: { origin: `http://127.0.0.1:${ingest.hello.port}`, pid: ingest.pid },
    workers: worker.running,
    startWorkers: worker.start,
    stopWorkers: worker.stop,
    apiKey: 'none',
    pool,
    async addEndpoints(endpoints) {
      const ids = endpoints.map(() => randomUUID());
      await pool.query(
        'INSERT INTO endpoint (id, customer_id, url) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])',
        [ids, endpoints.map(({ customerId }) => customerId), endpoints.map((endpoint) => endpoint.url)],
      );
      return ids;
    },
  };
}

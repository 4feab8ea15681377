import { startChild } from '../frame/child-process.js';
import type { Contestant } from '../frame/contestant.js';
import type { Stage } from '../frame/stage.js';
import { startWorkerSlot } from '../frame/worker-slot.js';

const TABLES = `
  CREATE TABLE endpoint (customer_id text PRIMARY KEY, url text NOT NULL);
  CREATE TABLE event (
    id uuid PRIMARY KEY, customer_id text NOT NULL, type text NOT NULL, body text NOT NULL,
    accepted_at timestamptz NOT NULL
  );
  CREATE TABLE delivery (
    id uuid PRIMARY KEY, event_id uuid NOT NULL, customer_id text NOT NULL, status text NOT NULL,
    attempts int NOT NULL DEFAULT 0, next_attempt_at timestamptz, created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX ON delivery (next_attempt_at) WHERE status = 'pending';
  CREATE INDEX ON delivery (customer_id, created_at DESC);
  CREATE TABLE attempt (
    delivery_id uuid NOT NULL, number int NOT NULL, response_code int NOT NULL, latency_ms int NOT NULL,
    response_body text NOT NULL, started_at timestamptz NOT NULL, PRIMARY KEY (delivery_id, number)
  );`;

/**
 * The path of an event with nothing on it but what has to be there: Express, one grouped insert, a BullMQ queue per
 * customer on shared connections, a signed request by undici, one grouped insert of attempts. No authentication, no
 * validation, no idempotency, no fan-out, no retries, no leases, no limits: what Posthorn adds, it adds to this.
 */
export async function startFloor(stage: Stage, { connections = 64 } = {}): Promise<Contestant> {
  const { url, pool } = await stage.createDatabase('floor');
  await pool.query(TABLES);
  const env = { DATABASE_URL: url, REDIS_URL: stage.redisUrl };
  const worker = await startWorkerSlot(stage, new URL('./worker-process.js', import.meta.url), {
    ...env,
    CONNECTIONS: String(connections),
  });
  const ingest = await startChild<{ port: number }>(new URL('./ingest-process.js', import.meta.url), { env });
  stage.onStop(() => ingest.stop());

  return {
    name: 'floor',
    ingest: { origin: `http://127.0.0.1:${ingest.hello.port}`, pid: ingest.pid },
    workers: worker.running,
    startWorkers: worker.start,
    stopWorkers: worker.stop,
    apiKey: 'none',
    pool,
    async addEndpoints(endpoints) {
      await pool.query(
        'INSERT INTO endpoint (customer_id, url) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING',
        [endpoints.map(({ customerId }) => customerId), endpoints.map((endpoint) => endpoint.url)],
      );
      await worker.restart();
      return endpoints.map(({ customerId }) => customerId);
    },
  };
}

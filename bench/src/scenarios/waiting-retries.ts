import { addCustomers } from '../start-contestants.js';
import type { Contestant } from '../frame/contestant.js';
import { countDelayedJobs, readRedisUse } from '../frame/redis-use.js';
import type { Stage } from '../frame/stage.js';
import { rounded } from '../frame/target.js';

export interface WaitingStep {
  waiting: number;
  filledPerSecond: number;
  redisMb: number;
  /** Of a customer's, those past the first 10,000 wait in Postgres alone. */
  inRedis: number;
  /** Of those in Redis, by what it has grown since there were none. */
  redisBytesEach: number;
}

const CUSTOMERS = 50;
const BATCH = 500;
/** Due in one to three hours: never while the scenario runs. */
const RETRY_POLICY = { delaysSeconds: [7_200], maxAttempts: 5, jitter: 0.5 };
const FILL_LIMIT_MS = 45 * 60_000;

const emptyBytes = new WeakMap<Stage, number>();

/**
 * Makes so many deliveries wait for a retry, in all, the way they come to be: each was attempted once and answered 429,
 * which counts against nobody's health.
 */
export async function fillWithRetries(
  stage: Stage,
  contestant: Contestant,
  waiting: number,
): Promise<WaitingStep> {
  if (!emptyBytes.has(stage)) {
    await stage.receiver.behave('busy', { kind: 'answer', status: 429, afterMs: 0 });
    const customers = { prefix: 'waiting-', count: CUSTOMERS, group: 'busy' };
    await addCustomers(stage, contestant, customers, { retryPolicy: RETRY_POLICY });
    emptyBytes.set(stage, (await readRedisUse(stage.redis)).usedBytes);
  }
  const already = await countWaiting(contestant);
  const startedMs = performance.now();
  if (waiting > already) {
    await stage.load.run(contestant, {
      customers: { prefix: 'waiting-', count: CUSTOMERS },
      events: waiting - already,
      batch: BATCH,
      insist: true,
      connections: 2,
      payloadBytes: 256,
    });
    await untilWaiting(contestant, waiting);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  await stage.receiver.report('busy');
  const { usedBytes } = await readRedisUse(stage.redis);
  const inRedis = waiting === 0 ? 0 : await countDelayedJobs(stage.redis);
  return {
    waiting,
    inRedis,
    filledPerSecond: Math.round((waiting - already) / seconds),
    redisMb: rounded(usedBytes / 1e6),
    redisBytesEach: inRedis === 0 ? 0 : Math.round((usedBytes - (emptyBytes.get(stage) ?? 0)) / inRedis),
  };
}

async function untilWaiting(contestant: Contestant, waiting: number): Promise<void> {
  const deadlineMs = performance.now() + FILL_LIMIT_MS;
  while ((await countWaiting(contestant)) < waiting) {
    if (performance.now() > deadlineMs) throw new Error(`${waiting} retries did not come to wait in time`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

async function countWaiting({ pool }: Contestant): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM delivery WHERE status = 'pending' AND attempts > 0",
  );
  return rows[0]?.count ?? 0;
}

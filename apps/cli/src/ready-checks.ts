import { migrationStatus, partitionDaysAhead, type Database } from '@posthorn/database';
import type { ReadyCheck } from '@posthorn/http';
import type { QueueProducer } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';

const SKEW_MAX_MS = 1_000;
const PARTITION_DAYS_MIN = 2;
/** Ours switch it off for each connection and `migrate` for the role; a pooler may lose the one, and lack the other. */
const JIT_ON =
  'on: statements that run for milliseconds take seconds. Set "jit = off" for the role, the database or the server';

export interface ReadyChecksDeps {
  database: Database;
  queue: Pick<QueueProducer, 'ping' | 'writeProblem'>;
  /** Those that this process was started with. */
  migrations: readonly string[];
  /** Accepting works without Redis; delivering does not. */
  redisRequired: boolean;
  logger: Logger;
}

/** What a process needs to serve. Details are shown to anybody, so they name no addresses; failures are logged. */
export function readyChecks(deps: ReadyChecksDeps): ReadyCheck[] {
  const { database, queue, migrations, redisRequired, logger } = deps;
  const { pool, clock } = database;
  const checks: ReadyCheck[] = [
    {
      name: 'postgres',
      async check() {
        await pool.query('SELECT 1');
        return { ok: true };
      },
    },
    {
      name: 'jit',
      required: false,
      async check() {
        const { rows } = await pool.query<{ jit: string }>('SHOW jit');
        return rows[0]?.jit === 'off' ? { ok: true } : { ok: false, detail: JIT_ON };
      },
    },
    {
      name: 'migrations',
      async check() {
        const { pending, running, failed } = await migrationStatus(pool, migrations);
        if (failed.length > 0) return { ok: false, detail: `failed: ${failed.join(', ')}` };
        // An unknown migration belongs to a newer version: this process keeps serving while that is rolled out.
        if (pending.length === 0) return { ok: true };
        if (running.length > 0) return { ok: false, detail: `being applied: ${running.join(', ')}` };
        return { ok: false, detail: `${pending.length} pending: run "posthorn migrate"` };
      },
    },
    {
      name: 'partitions',
      async check() {
        const days = await partitionDaysAhead(pool, clock.nowMs());
        return { ok: days >= PARTITION_DAYS_MIN, detail: `${days} days ahead` };
      },
    },
    {
      name: 'redis',
      required: redisRequired,
      async check() {
        const problem = await queue.writeProblem();
        return problem === null ? { ok: true } : { ok: false, detail: problem };
      },
    },
    {
      name: 'clocks',
      required: false,
      async check() {
        const { clockSkewMs } = await queue.ping();
        const postgresMs = Math.round(Math.abs(clock.skewMs()));
        const redisMs = Math.round(Math.abs(clockSkewMs));
        return {
          ok: Math.max(postgresMs, redisMs) <= SKEW_MAX_MS,
          detail: `${postgresMs} ms off Postgres, ${redisMs} ms off Redis`,
        };
      },
    },
  ];
  return checks.map((check) => ({ ...check, check: () => logFailure(check, logger) }));
}

async function logFailure({ name, check }: ReadyCheck, logger: Logger): ReturnType<ReadyCheck['check']> {
  try {
    return await check();
  } catch (error) {
    logger.debug('ready.check_failed', { check: name, error });
    throw error;
  }
}

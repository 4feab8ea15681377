import type pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;

/** What the connections of all our processes are called, alone or before a name of their own. */
export const connectionName = 'posthorn';

/**
 * Resolves when every transaction of ours has ended that began before: those may not see what the caller has committed,
 * and what begins after it does. Ours last seconds at most (their timeout), so this ends. The processes have to use one
 * database role, or Postgres does not show them each other's.
 */
export async function untilOlderTransactionsEnd(pool: pg.Pool | pg.PoolClient): Promise<void> {
  const { rows: now } = await pool.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
  for (;;) {
    const { rows } = await pool.query<{ open: boolean }>(
      `SELECT EXISTS (
         SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND (application_name = $2 OR starts_with(application_name, $2 || ' '))
            AND xact_start <= $1::timestamptz
       ) AS open`,
      [now[0]?.at, connectionName],
    );
    if (!rows[0]?.open) return;
    await sleep(POLL_MS);
  }
}

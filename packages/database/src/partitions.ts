import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

import { DAY_MS, isoDay, startOfDay } from './utc-day.js';

/** Any constant will do; it keeps two processes from making the same partition. */
const PARTITION_LOCK = 7_270_436_901;

const TABLES = [
  { name: 'event', key: 'id' },
  { name: 'delivery', key: 'id' },
  { name: 'attempt', key: 'id' },
  { name: 'idempotency_key', key: 'day' },
] as const;

type PartitionedTable = (typeof TABLES)[number];

export interface PartitionOptions {
  nowMs: number;
  /** Days made ahead of today. Default 14. */
  daysAhead?: number;
}

/**
 * Makes the daily partitions from yesterday to `daysAhead`, and returns the names of those that were missing.
 * A partition is created apart and then attached: ATTACH leaves readers and writers of the parent alone, which
 * `CREATE TABLE … PARTITION OF` does not.
 */
export async function ensurePartitions(
  pool: pg.Pool,
  { nowMs, daysAhead = 14 }: PartitionOptions,
): Promise<string[]> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('SELECT pg_advisory_lock($1)', [PARTITION_LOCK]);
    await client.query("SET lock_timeout = '3s'");
    const present = await attachedPartitions(client);
    const made: string[] = [];
    const today = startOfDay(nowMs);
    for (let dayMs = today - DAY_MS; dayMs <= today + daysAhead * DAY_MS; dayMs += DAY_MS) {
      for (const table of TABLES) {
        const name = partitionName(table.name, dayMs);
        if (present.has(name)) continue;
        await createPartition(client, table, name, dayMs);
        made.push(name);
      }
    }
    await client.query('RESET lock_timeout');
    await client.query('SELECT pg_advisory_unlock($1)', [PARTITION_LOCK]);
    return made;
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    // A client that failed may still hold the lock or the setting: close it instead of lending it out again.
    client.release(broken);
  }
}

/** For how many days from today on every table has its partition; below 2 a process is not ready. */
export async function partitionDaysAhead(pool: pg.Pool, nowMs: number): Promise<number> {
  const present = await attachedPartitions(pool);
  const today = startOfDay(nowMs);
  let days = 0;
  while (TABLES.every(({ name }) => present.has(partitionName(name, today + days * DAY_MS)))) days += 1;
  return Math.max(0, days - 1);
}

async function attachedPartitions(client: pg.Pool | pg.PoolClient): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT child.relname AS name FROM pg_inherits
       JOIN pg_class child ON child.oid = inhrelid
       JOIN pg_class parent ON parent.oid = inhparent
      WHERE parent.relname = ANY ($1) AND child.relnamespace = parent.relnamespace`,
    [TABLES.map(({ name }) => name)],
  );
  return new Set(rows.map(({ name }) => name));
}

async function createPartition(
  client: pg.PoolClient,
  table: PartitionedTable,
  name: string,
  dayMs: number,
): Promise<void> {
  const [from, to] =
    table.key === 'day'
      ? [isoDay(dayMs), isoDay(dayMs + DAY_MS)]
      : [firstIdOf(dayMs), firstIdOf(dayMs + DAY_MS)];
  await client.query('BEGIN');
  try {
    await client.query(`CREATE TABLE ${name} (LIKE ${table.name} INCLUDING ALL)`);
    await client.query(
      `ALTER TABLE ${table.name} ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${to}')`,
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

function partitionName(table: string, dayMs: number): string {
  return `${table}_${isoDay(dayMs).replaceAll('-', '')}`;
}

/** The smallest id of a day: its time bits and nothing else, below every UUIDv7 of that time. */
function firstIdOf(dayMs: number): string {
  return `${firstUuidAt(dayMs).slice(0, 13)}-0000-0000-000000000000`;
}

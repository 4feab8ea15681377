import type pg from 'pg';

import {
  partitionBounds,
  partitionName,
  PARTITIONED_TABLES,
  withPartitionLock,
  type PartitionedTable,
} from './partition-tables.js';
import { DAY_MS, startOfDay } from './utc-day.js';

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
  return withPartitionLock(pool, async (client) => {
    const present = await attachedPartitions(client);
    const made: string[] = [];
    const today = startOfDay(nowMs);
    for (let dayMs = today - DAY_MS; dayMs <= today + daysAhead * DAY_MS; dayMs += DAY_MS) {
      for (const table of PARTITIONED_TABLES) {
        if (present.has(partitionName(table.name, dayMs))) continue;
        await createPartition(client, table, dayMs);
        made.push(partitionName(table.name, dayMs));
      }
    }
    return made;
  });
}

/** For how many days from today on every table has its partition; below 2 a process is not ready. */
export async function partitionDaysAhead(pool: pg.Pool, nowMs: number): Promise<number> {
  const present = await attachedPartitions(pool);
  const today = startOfDay(nowMs);
  let days = 0;
  while (PARTITIONED_TABLES.every(({ name }) => present.has(partitionName(name, today + days * DAY_MS))))
    days += 1;
  return Math.max(0, days - 1);
}

async function attachedPartitions(client: pg.Pool | pg.PoolClient): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT child.relname AS name FROM pg_inherits
       JOIN pg_class child ON child.oid = inhrelid
       JOIN pg_class parent ON parent.oid = inhparent
      WHERE parent.oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
        AND child.relnamespace = parent.relnamespace`,
    [PARTITIONED_TABLES.map(({ name }) => name)],
  );
  return new Set(rows.map(({ name }) => name));
}

async function createPartition(client: pg.PoolClient, table: PartitionedTable, dayMs: number): Promise<void> {
  const name = partitionName(table.name, dayMs);
  await client.query('BEGIN');
  try {
    await client.query(`CREATE TABLE ${name} (LIKE ${table.name} INCLUDING ALL)`);
    await client.query(
      `ALTER TABLE ${table.name} ATTACH PARTITION ${name} FOR VALUES ${partitionBounds(table, dayMs)}`,
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

import type pg from 'pg';

import { partitionName, PARTITIONED_TABLES } from './partition-tables.js';

/** With its statistics from so many pages on, nothing that is hot reads a whole partition; autovacuum does the rest. */
const ENOUGH_PAGES = 1_000;

/**
 * A day's partition that was analyzed while it was empty, as any ANALYZE of the whole database does to those of the days
 * ahead, passes for empty until it is analyzed again. Statements prepared meanwhile read it as a whole, every time, while
 * it grows by a thousand rows a second; autovacuum comes by once a minute. This analyzes today's partitions when they are
 * several times as large as their statistics say, and returns which. For every few seconds: mostly it reads six rows.
 */
export async function refreshPartitionStatistics(pool: pg.Pool, nowMs: number): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class
      WHERE oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
        AND reltuples >= 0 AND relpages < $2
        AND pg_relation_size(oid) / current_setting('block_size')::int > 16 + 4 * relpages`,
    [PARTITIONED_TABLES.map(({ name }) => partitionName(name, nowMs)), ENOUGH_PAGES],
  );
  // Somebody else may be at it.
  for (const { name } of rows) await pool.query(`ANALYZE (SKIP_LOCKED) ${name}`);
  return rows.map(({ name }) => name);
}

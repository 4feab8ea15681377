import type pg from 'pg';

import { partitionName, PARTITIONED_TABLES } from './partition-tables.js';

/** Looked up by statements that keep a plan, and empty when the installation is new. */
const UNPARTITIONED_TABLES = ['customer', 'endpoint', 'endpoint_failing', 'delivery_closing'];
/** With its statistics from so many pages on, nothing that is hot reads a whole partition; autovacuum does the rest. */
const ENOUGH_PAGES = 1_000;

/**
 * A day's partition that was analyzed while it was empty, as any ANALYZE of the whole database does to those of the days
 * ahead, passes for empty until it is analyzed again: reading nothing is cheaper than any index. Statements prepared
 * meanwhile read it as a whole, every time, while it grows by a thousand rows a second; autovacuum comes by once a minute.
 * This analyzes today's partitions, and the tables that a new installation has empty, as soon as they have a page, and
 * when they are several times as large as their statistics say, and returns which. For every few seconds: mostly it reads
 * ten rows.
 */
export async function refreshPartitionStatistics(pool: pg.Pool, nowMs: number): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class
      WHERE oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
        AND reltuples >= 0 AND relpages < $2
        AND pg_relation_size(oid) / current_setting('block_size')::int > CASE relpages WHEN 0 THEN 0 ELSE 16 + 4 * relpages END`,
    [
      [...PARTITIONED_TABLES.map(({ name }) => partitionName(name, nowMs)), ...UNPARTITIONED_TABLES],
      ENOUGH_PAGES,
    ],
  );
  // Somebody else may be at it.
  for (const { name } of rows) await pool.query(`ANALYZE (SKIP_LOCKED) ${name}`);
  return rows.map(({ name }) => name);
}

import type pg from 'pg';

import { partitionName, type PartitionedTable, PARTITIONED_TABLES } from './partition-tables.js';
import { startOfDay } from './utc-day.js';

export interface Partition {
  table: PartitionedTable['name'];
  name: string;
  dayMs: number;
  /** `detaching`: a `DETACH CONCURRENTLY` was cut off between its two halves. */
  state: 'attached' | 'detaching' | 'detached';
}

/** Every daily partition, also those that were detached and not dropped. */
export async function findPartitions(client: pg.PoolClient): Promise<Partition[]> {
  const { rows } = await client.query<{ name: string; state: Partition['state'] }>(
    `SELECT child.relname AS name,
            CASE WHEN inhrelid IS NULL THEN 'detached' WHEN inhdetachpending THEN 'detaching' ELSE 'attached' END AS state
       FROM pg_class child
       LEFT JOIN pg_inherits ON inhrelid = child.oid
      WHERE child.relkind = 'r' AND child.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'event'::regclass)
        AND child.relname ~ ('^(' || array_to_string($1::text[], '|') || ')_[0-9]{8}$')`,
    [PARTITIONED_TABLES.map(({ name }) => name)],
  );
  return rows.flatMap(({ name, state }) => {
    const [, table, year, month, day] = /^(\w+)_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
    const known = PARTITIONED_TABLES.find((candidate) => candidate.name === table);
    const dayMs = Date.UTC(Number(year), Number(month) - 1, Number(day));
    // Only names that we would have given ourselves.
    if (!known || partitionName(known.name, startOfDay(dayMs)) !== name) return [];
    return [{ table: known.name, name, dayMs, state }];
  });
}

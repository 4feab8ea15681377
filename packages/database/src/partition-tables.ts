import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

import { DAY_MS, isoDay } from './utc-day.js';

/** Any constant will do; it keeps two processes from changing the partitions at once. */
const PARTITION_LOCK = 7_270_436_901;
/** Taken under the other one: alone by who detaches days, shared and kept by those for whom all have to be attached. */
export const DETACH_LOCK = 7_270_436_902;

export const PARTITIONED_TABLES = [
  { name: 'event', key: 'id' },
  { name: 'one_shot', key: 'id' },
  { name: 'delivery', key: 'id' },
  { name: 'attempt', key: 'id' },
  { name: 'idempotency_key', key: 'day' },
  { name: 'statistic', key: 'time' },
] as const;

export type PartitionedTable = (typeof PARTITIONED_TABLES)[number];

export function partitionName(table: string, dayMs: number): string {
  return `${table}_${isoDay(dayMs).replaceAll('-', '')}`;
}

/** `FROM (…) TO (…)` of a table's partition for one day. */
export function partitionBounds({ key }: PartitionedTable, dayMs: number): string {
  const bound = boundOf[key];
  return `FROM ('${bound(dayMs)}') TO ('${bound(dayMs + DAY_MS)}')`;
}

const boundOf = {
  id: firstIdOf,
  day: isoDay,
  time: (dayMs: number) => `${isoDay(dayMs)}T00:00:00Z`,
} as const;

/** Runs `work` while no other process changes partitions, on one connection whose locks are waited for briefly only. */
export async function withPartitionLock<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    return await underPartitionLock(client, () => work(client));
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    // A client that failed may still hold the lock or the setting: close it instead of lending it out again.
    client.release(broken);
  }
}

/** The same on a connection of the caller's, which has to close it when this rejects. */
export async function underPartitionLock<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query('SELECT pg_advisory_lock($1)', [PARTITION_LOCK]);
  await client.query("SET lock_timeout = '3s'");
  const result = await work();
  await client.query('RESET lock_timeout');
  await client.query('SELECT pg_advisory_unlock($1)', [PARTITION_LOCK]);
  return result;
}

/** The smallest id of a day: its time bits and nothing else, below every UUIDv7 of that time. */
export function firstIdOf(dayMs: number): string {
  return `${firstUuidAt(dayMs).slice(0, 13)}-0000-0000-000000000000`;
}

import type pg from 'pg';

import { findPartitions, type Partition } from './find-partitions.js';
import {
  DETACH_LOCK,
  partitionBounds,
  PARTITIONED_TABLES,
  underPartitionLock,
  withPartitionLock,
} from './partition-tables.js';
import { DAY_MS, isoDay } from './utc-day.js';

export interface RetentionOptions {
  nowMs: number;
  /** A day's events, deliveries, attempts and statistics go when its last moment is that long ago. */
  retentionDays: number;
  /** A day's idempotency keys go when none of them can be asked for any more. */
  idempotencyWindowHours: number;
}

export interface DroppedPartitions {
  dropped: string[];
  /** Days past their retention that stay because a delivery of theirs is not finished, such as `2026-10-21`. */
  kept: string[];
}

const HOUR_MS = 3_600_000;

/**
 * Drops the daily partitions whose time is over. A day goes as a whole, its deliveries first and only if all of them have
 * ended; a day with a delivery that was replayed late stays until that has ended too. `DETACH CONCURRENTLY` leaves
 * readers and writers alone and waits for those that began before, so what it has detached is looked at once more, and
 * attached again if one of them opened a delivery. What a stopped process left half done is taken up by the next pass,
 * and so is all of it while somebody has `withAllDaysAttached`.
 */
export function dropOldPartitions(pool: pg.Pool, options: RetentionOptions): Promise<DroppedPartitions> {
  const historySince = options.nowMs - options.retentionDays * DAY_MS;
  // A day longer: in a day's first minute an event also claims its keys in the partition of the day before.
  const keysSince = options.nowMs - options.idempotencyWindowHours * HOUR_MS - DAY_MS;
  return withPartitionLock(pool, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [DETACH_LOCK]);
    const found = await findPartitions(client);
    await finishDetaching(client, found);
    const isOver = ({ table, dayMs }: Partition) =>
      dayMs + DAY_MS <= (table === 'idempotency_key' ? keysSince : historySince);
    const result: DroppedPartitions = { dropped: [], kept: [] };
    for (const partitions of groupByDay(found)) {
      await dropDay(client, partitions.filter(isOver), result);
      // The retention was made longer after it had been detached.
      for (const partition of partitions) if (!isOver(partition)) await attach(client, partition);
    }
    await client.query('SELECT pg_advisory_unlock($1)', [DETACH_LOCK]);
    return result;
  });
}

/**
 * Runs `work` while no day is detached, for those who have to find every row: what is detached they do not see, and it may
 * be attached again. Days that a stopped process left detached are attached first, and dropped by a later pass. The lock is
 * the connection's, which the caller has to close when this rejects.
 */
export async function withAllDaysAttached<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
  await underPartitionLock(client, async () => {
    // Whoever detaches has both locks, so this one is free.
    await client.query('SELECT pg_advisory_lock_shared($1)', [DETACH_LOCK]);
    const found = await findPartitions(client);
    await finishDetaching(client, found);
    for (const partition of found) await attach(client, partition);
  });
  const result = await work();
  await client.query('SELECT pg_advisory_unlock_shared($1)', [DETACH_LOCK]);
  return result;
}

/** As long as one is detached by half, Postgres detaches no other of its table. */
async function finishDetaching(client: pg.PoolClient, found: readonly Partition[]): Promise<void> {
  for (const partition of found) if (partition.state === 'detaching') await detach(client, partition);
}

async function dropDay(
  client: pg.PoolClient,
  partitions: readonly Partition[],
  result: DroppedPartitions,
): Promise<void> {
  const deliveries = partitions.find(({ table }) => table === 'delivery');
  if (deliveries && !(await detachFinished(client, deliveries))) {
    result.kept.push(isoDay(deliveries.dayMs));
    // Its keys are of no use any more, whatever becomes of the day.
    await dropAll(
      client,
      partitions.filter(({ table }) => table === 'idempotency_key'),
      result,
    );
    return;
  }
  await dropAll(client, partitions, result);
}

/** Detaches a day's deliveries; false, and attached as before, when one of them is not finished. */
async function detachFinished(client: pg.PoolClient, deliveries: Partition): Promise<boolean> {
  if (deliveries.state === 'attached' && (await hasUnfinished(client, deliveries.name))) return false;
  await detach(client, deliveries);
  if (!(await hasUnfinished(client, deliveries.name))) return true;
  await attach(client, deliveries);
  return false;
}

async function dropAll(
  client: pg.PoolClient,
  partitions: readonly Partition[],
  { dropped }: DroppedPartitions,
): Promise<void> {
  for (const partition of partitions) await detach(client, partition);
  // The deliveries last: as long as they are there, the next pass knows the day.
  for (const partition of partitions.toSorted((a, b) => order(a) - order(b))) {
    await client.query(`DROP TABLE ${partition.name}`);
    dropped.push(partition.name);
  }
}

async function detach(client: pg.PoolClient, partition: Partition): Promise<void> {
  if (partition.state === 'detached') return;
  const how = partition.state === 'attached' ? 'CONCURRENTLY' : 'FINALIZE';
  await client.query(`ALTER TABLE ${partition.table} DETACH PARTITION ${partition.name} ${how}`);
  partition.state = 'detached';
}

async function attach(client: pg.PoolClient, partition: Partition): Promise<void> {
  const table = PARTITIONED_TABLES.find(({ name }) => name === partition.table);
  if (partition.state === 'attached' || !table) return;
  await client.query(
    `ALTER TABLE ${table.name} ATTACH PARTITION ${partition.name} FOR VALUES ${partitionBounds(table, partition.dayMs)}`,
  );
  partition.state = 'attached';
}

async function hasUnfinished(client: pg.PoolClient, name: string): Promise<boolean> {
  const { rows } = await client.query<{ unfinished: boolean }>(
    `SELECT EXISTS (SELECT FROM ${name} WHERE status = 'pending')
         OR EXISTS (SELECT FROM ${name} WHERE status = 'held') AS unfinished`,
  );
  return rows[0]?.unfinished ?? false;
}

/** Oldest first. */
function groupByDay(partitions: readonly Partition[]): Partition[][] {
  const days = new Map<number, Partition[]>();
  for (const partition of partitions.toSorted((a, b) => a.dayMs - b.dayMs)) {
    const day = days.get(partition.dayMs);
    if (day) day.push(partition);
    else days.set(partition.dayMs, [partition]);
  }
  return [...days.values()];
}

function order({ table }: Partition): number {
  return table === 'delivery' ? 1 : 0;
}

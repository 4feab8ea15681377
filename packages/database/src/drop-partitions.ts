import type pg from 'pg';

import { partitionBounds, partitionName, PARTITIONED_TABLES, withPartitionLock } from './partition-tables.js';
import { DAY_MS, isoDay, startOfDay } from './utc-day.js';

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

type TableName = (typeof PARTITIONED_TABLES)[number]['name'];

const HOUR_MS = 3_600_000;

/**
 * Drops the daily partitions whose time is over. A day goes as a whole, its deliveries first and only if all of them have
 * ended; a day with a delivery that was replayed late stays until that has ended too. `DETACH CONCURRENTLY` leaves
 * readers and writers alone and waits for those that began before, so what it has detached is looked at once more, and
 * attached again if one of them opened a delivery. What a stopped process left half done is taken up by the next pass.
 */
export function dropOldPartitions(pool: pg.Pool, options: RetentionOptions): Promise<DroppedPartitions> {
  const historySince = options.nowMs - options.retentionDays * DAY_MS;
  // A day longer: in a day's first minute an event also claims its keys in the partition of the day before.
  const keysSince = options.nowMs - options.idempotencyWindowHours * HOUR_MS - DAY_MS;
  return withPartitionLock(pool, async (client) => {
    const found = await findPartitions(client);
    // As long as one is detached by half, Postgres detaches no other of its table.
    for (const partition of found) if (partition.state === 'detaching') await detach(client, partition);
    const isOver = ({ table, dayMs }: Partition) =>
      dayMs + DAY_MS <= (table === 'idempotency_key' ? keysSince : historySince);
    const result: DroppedPartitions = { dropped: [], kept: [] };
    for (const partitions of groupByDay(found)) {
      await dropDay(client, partitions.filter(isOver), result);
      // The retention was made longer after it had been detached.
      for (const partition of partitions) if (!isOver(partition)) await attach(client, partition);
    }
    return result;
  });
}

interface Partition {
  table: TableName;
  name: string;
  dayMs: number;
  /** `detaching`: a `DETACH CONCURRENTLY` was cut off between its two halves. */
  state: 'attached' | 'detaching' | 'detached';
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

/** Every daily partition, also those that were detached and not dropped. */
async function findPartitions(client: pg.PoolClient): Promise<Partition[]> {
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

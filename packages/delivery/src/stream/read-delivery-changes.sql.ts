import { byIndex, setLocal } from '@posthorn/database';
import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

import {
  ATTEMPT_COLUMNS,
  attemptOf,
  type AttemptRow,
  DELIVERY_COLUMNS,
  deliveryOf,
  type DeliveryRow,
  type DeliveryChanges,
  type DeliveryChange,
  type ChangePosition,
  type ChangeQuery,
} from './delivery-change.js';

/** Attempts of everybody that are looked through. */
const ATTEMPTS_MAX = 20_000;
/** Young deliveries of those asked about that are looked through. */
const YOUNG_MAX = 50_000;
/** Notes of deliveries that ended without an attempt, each of up to a thousand. */
const CLOSINGS_MAX = 1_000;
/** An id is made this long before its transaction begins at most: whoever accepts may wait for a commit to join. */
const ACCEPT_WAIT_MS = 10_000;
/** A delivery that is committed later than this after its transaction began is first seen by its first attempt. */
const LATE_MAX_MS = 60_000;
/** Nobody resumes from further back. */
const RESUME_MAX_MS = 3_600_000;

/** Changes of each kind, for one customer in one reading. One more is returned when some were left out. */
export const changesPerCustomerMax = 500;

/**
 * Returns for each query what was recorded since its position, the position that all of them then have, and the customers
 * that no longer exist, in one snapshot. What the snapshot does not show belongs to transactions that it lists as open, so
 * nothing that is committed late is missed. See docs/adr/0014-reading-attempts.md.
 */
export async function readDeliveryChanges(
  pool: pg.Pool,
  queries: readonly ChangeQuery[],
): Promise<{ position: ChangePosition; changes: DeliveryChanges[]; gone: Set<string> }> {
  const client = await pool.connect();
  try {
    // Before the snapshot: what it calls open is older than this says by the accept wait at most.
    const openSinceMs = await readOpenSince(client);
    // A plan made while a partition was small would read the whole of it later.
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${setLocal(byIndex)}`);
    const position = await readPlace(client, openSinceMs);
    const gone = await findGone(client, [...new Set(queries.flatMap(({ customerIds }) => customerIds))]);
    const changes: DeliveryChanges[] = [];
    for (const { after, customerIds } of queries) {
      const there = customerIds.filter((id) => !gone.has(id));
      changes.push(await answer(client, position, { after, customerIds: there }));
    }
    await client.query('COMMIT');
    client.release();
    return { position, changes, gone };
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function readOpenSince(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ ms: number }>(
    `SELECT (extract(epoch FROM GREATEST(
              LEAST(clock_timestamp(), min(xact_start)), clock_timestamp() - $1 * interval '1 millisecond')) * 1000)::float8 AS ms
       FROM pg_stat_activity WHERE backend_xid IS NOT NULL`,
    [LATE_MAX_MS],
  );
  return Math.floor(rows[0]?.ms ?? 0);
}

async function readPlace(client: pg.PoolClient, sinceMs: number): Promise<ChangePosition> {
  const { rows } = await client.query<Omit<ChangePosition, 'sinceMs'>>(
    `SELECT pg_snapshot_xmax(s)::text AS "nextXid", ARRAY(SELECT pg_snapshot_xip(s))::text[] AS "openXids"
       FROM pg_current_snapshot() AS s`,
  );
  const [row] = rows;
  if (!row) throw new Error('A snapshot cannot be missing');
  return { ...row, sinceMs };
}

async function findGone(client: pg.PoolClient, customerIds: readonly string[]): Promise<Set<string>> {
  if (customerIds.length === 0) return new Set();
  const { rows } = await client.query<{ id: string }>(
    `SELECT asked.id FROM unnest($1::text[]) AS asked (id)
      WHERE NOT EXISTS (SELECT FROM customer c WHERE c.id = asked.id AND c.erased_at IS NULL)`,
    [customerIds],
  );
  return new Set(rows.map(({ id }) => id));
}

async function answer(
  client: pg.PoolClient,
  now: ChangePosition,
  { after, customerIds }: ChangeQuery,
): Promise<DeliveryChanges> {
  if (customerIds.length === 0) return { items: [], gap: false };
  // Numbered from lower on: the database was restored from a dump.
  const restored = BigInt(after.nextXid) > BigInt(now.nextXid);
  if (restored || after.sinceMs < now.sinceMs - RESUME_MAX_MS) return { items: [], gap: true };
  // Nothing has been written meanwhile.
  if (after.nextXid === now.nextXid && after.openXids.length === 0) return { items: [], gap: false };
  const asked = [customerIds, after.nextXid, after.openXids, now.nextXid];
  const parts = [
    await readCreated(client, asked, after.sinceMs),
    await readAttempted(client, asked),
    await readClosed(client, asked),
  ];
  return { items: parts.flatMap(({ items }) => items), gap: parts.some(({ gap }) => gap) };
}

/**
 * By the transaction that wrote the event, which nothing but a replay to another endpoint changes: deliveries that
 * have changed since are returned once more. A row's `xmin` is the lower half of the number of the transaction that
 * wrote it last, and what wrote a delivery last is not older than what made it.
 */
async function readCreated(
  client: pg.PoolClient,
  asked: unknown[],
  sinceMs: number,
): Promise<DeliveryChanges> {
  const { rows } = await client.query<Found<DeliveryRow>>({
    name: 'read_news_created',
    text: `
      WITH young AS MATERIALIZED (
        SELECT ${DELIVERY_COLUMNS}, ${writtenIn('delivery')} AS written_in
          FROM delivery WHERE customer_id = ANY ($1::text[]) AND id >= $5::uuid LIMIT ${YOUNG_MAX + 1}
      ), made AS (
        SELECT young.*, row_number() OVER (PARTITION BY customer_id ORDER BY id) AS nth
          FROM young
         CROSS JOIN LATERAL (
           SELECT ${writtenIn('event')} AS made_in FROM event WHERE id = young.event_id OFFSET 0
         ) e
         WHERE ${isNew('written_in', 'bigint')} AND ${isNew('made_in', 'bigint')}
      )
      SELECT made.*, counted.gap
        FROM (SELECT count(*) > ${YOUNG_MAX} AS gap FROM young) counted
        LEFT JOIN made ON nth <= ${changesPerCustomerMax + 1} ORDER BY id`,
    values: [...asked, firstUuidAt(Math.max(0, sinceMs - ACCEPT_WAIT_MS))],
  });
  return newsOf(rows, (row) => ({ kind: 'created', delivery: deliveryOf(row) }));
}

async function readAttempted(client: pg.PoolClient, asked: unknown[]): Promise<DeliveryChanges> {
  const { rows } = await client.query<Found<AttemptRow>>({
    name: 'read_news_attempted',
    text: `
      WITH fresh AS MATERIALIZED (
        (SELECT ${ATTEMPT_COLUMNS} FROM attempt
          WHERE settled_in >= $2::xid8 AND settled_in < $4::xid8 LIMIT ${ATTEMPTS_MAX + 1})
         UNION ALL
        SELECT ${ATTEMPT_COLUMNS} FROM attempt WHERE settled_in = ANY ($3::xid8[])
      ), theirs AS (
        SELECT d.*, f.number, f.trigger, f.status AS attempt_status, f.response_code, f.latency_ms, f.error_code,
               f.error_message, f.started_at, f.next_attempt_at AS attempt_next_at, f.settled_in,
               row_number() OVER (PARTITION BY d.customer_id ORDER BY f.settled_in) AS nth
          FROM fresh f
         CROSS JOIN LATERAL (
           SELECT ${DELIVERY_COLUMNS} FROM delivery WHERE id = f.delivery_id AND customer_id = ANY ($1::text[]) OFFSET 0
         ) d
      )
      SELECT theirs.*, counted.gap
        FROM (SELECT count(*) > ${ATTEMPTS_MAX} AS gap FROM fresh) counted
        LEFT JOIN theirs ON nth <= ${changesPerCustomerMax + 1} ORDER BY settled_in, started_at, id, number`,
    values: asked,
  });
  return newsOf(rows, (row) => ({ kind: 'attempted', delivery: deliveryOf(row), attempt: attemptOf(row) }));
}

async function readClosed(client: pg.PoolClient, asked: unknown[]): Promise<DeliveryChanges> {
  const { rows } = await client.query<Found<DeliveryRow>>({
    name: 'read_news_closed',
    text: `
      WITH fresh AS MATERIALIZED (
        (SELECT customer_id, delivery_ids FROM delivery_closing
          WHERE recorded_in >= $2::xid8 AND recorded_in < $4::xid8 AND customer_id = ANY ($1::text[])
          LIMIT ${CLOSINGS_MAX + 1})
         UNION ALL
        SELECT customer_id, delivery_ids FROM delivery_closing
         WHERE recorded_in = ANY ($3::xid8[]) AND customer_id = ANY ($1::text[])
      ), closed AS (
        SELECT delivery_id, row_number() OVER (PARTITION BY customer_id ORDER BY delivery_id) AS nth
          FROM fresh CROSS JOIN LATERAL unnest(delivery_ids) AS delivery_id
      ), theirs AS (
        SELECT d.* FROM closed
         CROSS JOIN LATERAL (
           SELECT ${DELIVERY_COLUMNS} FROM delivery
            WHERE id = closed.delivery_id AND customer_id = ANY ($1::text[]) AND status NOT IN ('pending', 'held') OFFSET 0
         ) d
         WHERE closed.nth <= ${changesPerCustomerMax + 1}
      )
      SELECT theirs.*, counted.gap
        FROM (SELECT count(*) > ${CLOSINGS_MAX} AS gap FROM fresh) counted LEFT JOIN theirs ON true ORDER BY id`,
    values: asked,
  });
  return newsOf(rows, (row) => ({ kind: 'closed', delivery: deliveryOf(row) }));
}

/** The whole number of the transaction whose lower half a row has: the last one with that half before the snapshot. */
function writtenIn(table: string): string {
  return `$4::bigint - (($4::bigint - ${table}.xmin::text::bigint) & 4294967295)`;
}

function isNew(column: string, type: string): string {
  return `(${column} >= $2::${type} OR ${column} = ANY ($3::${type}[]))`;
}

/** Each row says whether there was too much to look through; without anything found there is one row. */
type Found<Row> = (Row | { id: null }) & { gap: boolean };

function newsOf<Row extends { id: string }>(
  rows: readonly Found<Row>[],
  toItem: (row: Row) => DeliveryChange,
): DeliveryChanges {
  const found = rows.filter((row): row is Row & { gap: boolean } => row.id !== null);
  return { items: found.map(toItem), gap: rows[0]?.gap ?? false };
}

import { idBounds, inTransaction } from '@posthorn/database';
import type pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';

import { eraseDeliveryRows } from './erase-delivery-rows.js';
import { eraseToldAbout } from './erase-told-about.js';

const BATCH = 1_000;
const POLL_MS = 25;
/** Any constant will do; the customer's id is the second half of the lock. */
const ERASE_LOCK = 727_043;

/** What an erasure removed, by kind. */
export interface ErasureReceipt {
  customerId: string;
  erasedAt: Date;
  events: number;
  deliveries: number;
  attempts: number;
  idempotencyKeys: number;
  statistics: number;
  endpoints: number;
  apiKeys: number;
  portalLinks: number;
}

/**
 * Removes a customer and everything of it. The tombstone comes first: from its commit on nothing more is accepted and
 * nothing more is sent. Then the rows go in bounded batches, the customer's own row last, so an erasure that was cut
 * short goes on when it is asked for again. Returns null when there is no such customer, or it is being erased already.
 */
export async function eraseCustomer(pool: pg.Pool, customerId: string): Promise<ErasureReceipt | null> {
  // One at a time: a second one that is late would remove the customer that was made again under the same id.
  const client = await pool.connect();
  let broken = true;
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1, hashtext($2)) AS locked',
      [ERASE_LOCK, customerId],
    );
    const locked = rows[0]?.locked ?? false;
    const receipt = locked ? await erase(pool, customerId) : null;
    if (locked) await client.query('SELECT pg_advisory_unlock($1, hashtext($2))', [ERASE_LOCK, customerId]);
    broken = false;
    return receipt;
  } finally {
    client.release(broken);
  }
}

async function erase(pool: pg.Pool, customerId: string): Promise<ErasureReceipt | null> {
  const { rows } = await pool.query<{ erased_at: Date }>(
    `UPDATE customer SET erased_at = COALESCE(erased_at, now()), updated_at = now() WHERE id = $1 RETURNING erased_at`,
    [customerId],
  );
  const tombstone = rows[0];
  if (!tombstone) return null;
  // Revoked before they are deleted: the announcement makes every process forget them.
  await pool.query(
    'UPDATE api_key SET revoked_at = COALESCE(revoked_at, now()), updated_at = now() WHERE customer_id = $1',
    [customerId],
  );

  await untilOlderTransactionsEnd(pool);

  const receipt: ErasureReceipt = {
    customerId,
    erasedAt: tombstone.erased_at,
    events: 0,
    deliveries: 0,
    attempts: 0,
    idempotencyKeys: 0,
    statistics: 0,
    endpoints: 0,
    apiKeys: 0,
    portalLinks: 0,
  };
  await eraseDeliveries(pool, customerId, receipt);
  receipt.events = await eraseEvents(pool, customerId);
  receipt.idempotencyKeys = await eraseInBatches(
    pool,
    `DELETE FROM idempotency_key WHERE (customer_id, key_hash, day) IN (
       SELECT customer_id, key_hash, day FROM idempotency_key WHERE customer_id = $1 LIMIT ${BATCH})`,
    customerId,
  );
  await eraseToldAbout(pool, customerId);
  await eraseInBatches(
    pool,
    `DELETE FROM delivery_end WHERE id IN (SELECT id FROM delivery_end WHERE customer_id = $1 LIMIT ${BATCH})`,
    customerId,
  );
  receipt.statistics = await eraseInBatches(
    pool,
    `DELETE FROM statistic WHERE (span, customer_id, endpoint_id, starts_at, measure, latency) IN (
       SELECT span, customer_id, endpoint_id, starts_at, measure, latency FROM statistic
        WHERE span IN ('minute', 'hour', 'day') AND customer_id = $1 LIMIT ${BATCH})`,
    customerId,
  );
  await eraseReplays(pool, customerId);
  await eraseInBatches(
    pool,
    `DELETE FROM idempotent_answer WHERE (caller_id, key_hash) IN (
       SELECT caller_id, key_hash FROM idempotent_answer WHERE customer_id = $1 LIMIT ${BATCH})`,
    customerId,
  );
  await eraseSettings(pool, customerId, receipt);
  return receipt;
}

/**
 * Statements that began before the tombstone may still be adding rows; what begins after it sees it. Ours last seconds
 * at most (their timeout), so this ends.
 */
async function untilOlderTransactionsEnd(pool: pg.Pool): Promise<void> {
  const now = await pool.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
  for (;;) {
    const { rows } = await pool.query<{ open: boolean }>(
      `SELECT EXISTS (
         SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'posthorn' AND pid <> pg_backend_pid()
            AND xact_start <= $1::timestamptz
       ) AS open`,
      [now.rows[0]?.at],
    );
    if (!rows[0]?.open) return;
    await sleep(POLL_MS);
  }
}

async function eraseDeliveries(pool: pg.Pool, customerId: string, receipt: ErasureReceipt): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ id: string }>(
      `SELECT id FROM delivery WHERE customer_id = $1 ORDER BY id LIMIT ${BATCH}`,
      [customerId],
    );
    if (rows.length === 0) return;
    const removed = await eraseDeliveryRows(
      pool,
      rows.map(({ id }) => id),
    );
    receipt.deliveries += removed.deliveries;
    receipt.attempts += removed.attempts;
  }
}

/** What is kept beside an event goes with it: by itself it says no more whose it is. */
async function eraseEvents(pool: pg.Pool, customerId: string): Promise<number> {
  for (let total = 0; ;) {
    const { rows } = await pool.query<{ id: string }>(
      `SELECT id FROM event WHERE customer_id = $1 ORDER BY id LIMIT ${BATCH}`,
      [customerId],
    );
    if (rows.length === 0) return total;
    const ids = rows.map(({ id }) => id);
    const { min, max } = idBounds(ids);
    const { rowCount } = await pool.query(
      `WITH gone_one_shots AS (DELETE FROM one_shot WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3)
       DELETE FROM event WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3`,
      [ids, min, max],
    );
    total += rowCount ?? 0;
  }
}

async function eraseInBatches(pool: pg.Pool, statement: string, customerId: string): Promise<number> {
  for (let total = 0; ;) {
    const { rowCount } = await pool.query(statement, [customerId]);
    total += rowCount ?? 0;
    if ((rowCount ?? 0) < BATCH) return total;
  }
}

async function eraseReplays(pool: pg.Pool, customerId: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    // Locked first, as by whoever goes on with one of them.
    await client.query('SELECT FROM replay WHERE customer_id = $1 ORDER BY id FOR UPDATE', [customerId]);
    for (const table of ['replay_delivery', 'replay_lane']) {
      await client.query(
        `DELETE FROM ${table} t USING replay r WHERE r.id = t.replay_id AND r.customer_id = $1`,
        [customerId],
      );
    }
    await client.query('DELETE FROM replay WHERE customer_id = $1', [customerId]);
  });
}

async function eraseSettings(pool: pg.Pool, customerId: string, receipt: ErasureReceipt): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      'DELETE FROM endpoint_secret s USING endpoint e WHERE e.id = s.endpoint_id AND e.customer_id = $1',
      [customerId],
    );
    await client.query('DELETE FROM one_shot_secret WHERE customer_id = $1', [customerId]);
    const { rows } = await client.query<{ kind: string }>(
      'DELETE FROM endpoint WHERE customer_id = $1 RETURNING kind',
      [customerId],
    );
    receipt.endpoints = rows.filter(({ kind }) => kind === 'registered').length;
    receipt.apiKeys =
      (await client.query('DELETE FROM api_key WHERE customer_id = $1', [customerId])).rowCount ?? 0;
    receipt.portalLinks =
      (await client.query('DELETE FROM portal_link WHERE customer_id = $1', [customerId])).rowCount ?? 0;
    await client.query('DELETE FROM audit_entry WHERE customer_id = $1', [customerId]);
    await client.query('DELETE FROM customer WHERE id = $1', [customerId]);
  });
}

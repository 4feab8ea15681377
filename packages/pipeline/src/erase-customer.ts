import { untilOlderTransactionsEnd } from '@posthorn/database';
import type { QueueProducer } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import type pg from 'pg';

import { eraseHistory, eraseSettings } from './erase-rows.js';
import { beginErasure, type Erasure, type ErasedCounts, ErasureOver } from './erasure.js';

/** Any constant will do; the customer's id is the second half of the lock. */
const ERASE_LOCK = 727_043;

export interface EraseCustomerDeps {
  pool: pg.Pool;
  queue: Pick<QueueProducer, 'eraseCustomer'>;
  logger: Logger;
  /** Cuts it short: it rejects with the signal's reason, and is to be gone on with. */
  signal?: AbortSignal;
}

/** What an erasure removed, over all its runs. */
export interface ErasureReceipt {
  customerId: string;
  erasedAt: Date;
  removed: ErasedCounts;
}

/** `underway`: another process, or another request, is at it. */
export type EraseCustomerOutcome =
  { kind: 'erased'; receipt: ErasureReceipt } | { kind: 'underway' } | { kind: 'not_found' };

/**
 * Removes a customer and everything of it. The tombstone comes first: from its commit on nothing more is accepted and
 * nothing new is sent. Then the rows go in bounded parts, the customer's own row last, so an erasure that was cut short
 * goes on when it is asked for again, or by a worker's `finishErasures`.
 */
export async function eraseCustomer(
  deps: EraseCustomerDeps,
  customerId: string,
): Promise<EraseCustomerOutcome> {
  // One at a time: two would wait for each other at every part.
  const client = await deps.pool.connect();
  let broken = true;
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1, hashtext($2)) AS locked',
      [ERASE_LOCK, customerId],
    );
    const locked = rows[0]?.locked ?? false;
    const outcome = locked ? await erase(deps, customerId) : await whileLocked(client, customerId);
    if (locked) await client.query('SELECT pg_advisory_unlock($1, hashtext($2))', [ERASE_LOCK, customerId]);
    broken = false;
    return outcome;
  } finally {
    client.release(broken);
  }
}

async function whileLocked(client: pg.PoolClient, customerId: string): Promise<EraseCustomerOutcome> {
  const { rowCount } = await client.query('SELECT FROM customer WHERE id = $1', [customerId]);
  return { kind: rowCount === 1 ? 'underway' : 'not_found' };
}

async function erase(deps: EraseCustomerDeps, customerId: string): Promise<EraseCustomerOutcome> {
  const { pool, logger, signal } = deps;
  const erasure = await beginErasure(pool, customerId, signal);
  if (!erasure) return { kind: 'not_found' };
  try {
    const removed = await run(deps, erasure);
    logger.info('customer.erased', { customerId, removed });
    return { kind: 'erased', receipt: { customerId, erasedAt: erasure.erasedAt, removed } };
  } catch (error) {
    if (error instanceof ErasureOver) return { kind: 'not_found' };
    throw error;
  }
}

async function run({ pool, queue, logger }: EraseCustomerDeps, erasure: Erasure): Promise<ErasedCounts> {
  const { customerId } = erasure;
  await revokeKeys(pool, customerId);
  // They may still be adding rows, also an API key.
  await untilOlderTransactionsEnd(pool);
  await revokeKeys(pool, customerId);
  await eraseHistory(pool, erasure);
  try {
    await queue.eraseCustomer(customerId);
  } catch (error) {
    // Ids and nothing else, of jobs that find no delivery when they are due.
    logger.warn('customer.queue_not_erased', { customerId, error });
  }
  return eraseSettings(erasure);
}

/** Revoked before they are deleted: the announcement makes every process forget them. */
async function revokeKeys(pool: pg.Pool, customerId: string): Promise<void> {
  await pool.query(
    'UPDATE api_key SET revoked_at = now(), updated_at = now() WHERE customer_id = $1 AND revoked_at IS NULL',
    [customerId],
  );
}

import { untilOlderTransactionsEnd, withAllDaysAttached } from '@posthorn/database';
import type { QueueProducer } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import type pg from 'pg';

import { eraseHistory, eraseSettings } from './erase-rows.sql.js';
import { inTurn } from './erasure-turns.sql.js';
import {
  beginErasure,
  type EraseCustomerOutcome,
  type Erasure,
  type ErasedCounts,
  ErasureOver,
  findCustomerMadeAt,
} from './erasure.sql.js';

/** Any constant will do; the customer's id is the second half of the lock. */
const ERASE_LOCK = 727_043;

export interface EraseCustomerDeps {
  pool: pg.Pool;
  queue: Pick<QueueProducer, 'eraseCustomer'>;
  logger: Logger;
  /** Cuts it short: it rejects with the signal's reason, and is to be gone on with. */
  signal?: AbortSignal;
}

/**
 * Removes a customer and everything of it. The tombstone comes first: from its commit on nothing more is accepted and
 * nothing new is sent. Then the rows go in bounded parts, the customer's own row last, so an erasure that was cut short
 * goes on when it is asked for again, or by a worker's `finishErasures`. A few at a time in one process, each on one
 * connection; others wait for their turn.
 */
export function eraseCustomer(deps: EraseCustomerDeps, customerId: string): Promise<EraseCustomerOutcome> {
  const { pool } = deps;
  return inTurn(pool, customerId, async (turn) => {
    // The one that was asked for, not one that is made under its id while this waits.
    const madeAt = await findCustomerMadeAt(pool, customerId);
    return madeAt ? turn(() => eraseLocked(deps, { customerId, madeAt })) : { kind: 'not_found' };
  });
}

interface CustomerToErase {
  customerId: string;
  madeAt: Date;
}

async function eraseLocked(
  deps: EraseCustomerDeps,
  customer: CustomerToErase,
): Promise<EraseCustomerOutcome> {
  // All of it on the lock's connection: waiting for a second one while holding the first, several would starve each other.
  const client = await deps.pool.connect();
  let broken = true;
  try {
    const lock = [ERASE_LOCK, customer.customerId];
    // One at a time: two would wait for each other at every part.
    const { rows } = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1, hashtext($2)) AS locked',
      lock,
    );
    const locked = rows[0]?.locked ?? false;
    const outcome = locked ? await erase(deps, client, customer) : await whileLocked(client, customer);
    if (locked) await client.query('SELECT pg_advisory_unlock($1, hashtext($2))', lock);
    broken = false;
    return outcome;
  } catch (error) {
    if (error instanceof ErasureOver) return { kind: 'not_found' };
    throw error;
  } finally {
    // What it is in the middle of, and its locks, go with the connection.
    client.release(broken);
  }
}

async function whileLocked(
  client: pg.PoolClient,
  { customerId, madeAt }: CustomerToErase,
): Promise<EraseCustomerOutcome> {
  const { rowCount } = await client.query('SELECT FROM customer WHERE id = $1 AND created_at = $2', [
    customerId,
    madeAt,
  ]);
  return { kind: rowCount === 1 ? 'underway' : 'not_found' };
}

async function erase(
  deps: EraseCustomerDeps,
  client: pg.PoolClient,
  customer: CustomerToErase,
): Promise<EraseCustomerOutcome> {
  const { customerId } = customer;
  const erasure = await beginErasure(client, customer, deps.signal);
  if (!erasure) return { kind: 'not_found' };
  const removed = await run(deps, client, erasure);
  deps.logger.info('customer.erased', { customer_id: customerId, removed });
  return { kind: 'erased', receipt: { customerId, erasedAt: erasure.erasedAt, removed } };
}

async function run(
  { queue, logger }: EraseCustomerDeps,
  client: pg.PoolClient,
  erasure: Erasure,
): Promise<ErasedCounts> {
  const { customerId } = erasure;
  await revokeKeys(client, customerId);
  // They may still be adding rows, also an API key.
  await untilOlderTransactionsEnd(client);
  await revokeKeys(client, customerId);
  await withAllDaysAttached(client, () => eraseHistory(client, erasure));
  try {
    await queue.eraseCustomer(customerId);
  } catch (error) {
    // Ids and nothing else, of jobs that find no delivery when they are due.
    logger.warn('customer.queue_not_erased', { customer_id: customerId, error });
  }
  return eraseSettings(erasure);
}

/** Revoked before they are deleted: the announcement makes every process forget them. */
async function revokeKeys(client: pg.PoolClient, customerId: string): Promise<void> {
  await client.query(
    'UPDATE api_key SET revoked_at = now(), updated_at = now() WHERE customer_id = $1 AND revoked_at IS NULL',
    [customerId],
  );
}

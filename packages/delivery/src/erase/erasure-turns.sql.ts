import { createGroupCommit, type GroupCommit, GroupCommitOverloaded } from '@posthorn/runtime';
import type pg from 'pg';

import type { EraseCustomerOutcome } from './erasure.sql.js';

/** Each holds a connection, for minutes when its customer is large; the others are for everybody else. */
const atOnceMax = 2;
const waitingMax = 20;

type Work = () => Promise<EraseCustomerOutcome>;

/** The erasures of one pool, under way and waiting. */
interface Turns {
  take: GroupCommit<Work, EraseCustomerOutcome>;
  customerIds: Set<string>;
}

/** By pool, because its connections are what is kept for others, whichever role of the process erases. */
const turnsOf = new WeakMap<pg.Pool, Turns>();

/**
 * Runs `work` for a customer, which calls `turn` with what has to wait for its turn. `underway` when there is one for this
 * customer already, `busy` when too many wait.
 */
export async function inTurn(
  pool: pg.Pool,
  customerId: string,
  work: (turn: (erase: Work) => Promise<EraseCustomerOutcome>) => Promise<EraseCustomerOutcome>,
): Promise<EraseCustomerOutcome> {
  const turns = turnsOf.get(pool) ?? openTurns();
  turnsOf.set(pool, turns);
  if (turns.customerIds.has(customerId)) return { kind: 'underway' };
  turns.customerIds.add(customerId);
  try {
    return await work(turns.take);
  } catch (error) {
    if (error instanceof GroupCommitOverloaded) return { kind: 'busy' };
    throw error;
  } finally {
    turns.customerIds.delete(customerId);
  }
}

/** Whether an erasure would begin now rather than wait. */
export function hasFreeTurn(pool: pg.Pool): boolean {
  return (turnsOf.get(pool)?.take.pending() ?? 0) < atOnceMax;
}

function openTurns(): Turns {
  const take = createGroupCommit<Work, EraseCustomerOutcome>({
    commit: (erasures) => Promise.all(erasures.map((erase) => erase())),
    batchMax: 1,
    concurrencyMax: atOnceMax,
    queueMax: waitingMax,
    isRetryableRowByRow: () => false,
  });
  return { take, customerIds: new Set() };
}

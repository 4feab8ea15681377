import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';
import type pg from 'pg';

import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { eraseCustomer } from './erase-customer.sql.js';
import type { EraseCustomerOutcome } from './erasure.sql.js';
import { finishErasures } from './finish-erasures.js';

const ALL = new AbortController().signal;
const quiet = {
  queue: { eraseCustomer: () => Promise.resolve() },
  logger: createLogger({ level: 'silent', role: 'test' }),
};

let pipeline: OpenPipeline;
let pool: pg.Pool;

beforeAll(async () => {
  pipeline = await openPipeline();
  ({ pool } = pipeline.database);
});
afterAll(() => pipeline.close());

/** Begins an erasure for each customer, and resolves when all are in the middle of it. They end after `goOn`. */
async function eraseHalf(
  ...customerIds: string[]
): Promise<{ goOn(): void; outcomes: Promise<EraseCustomerOutcome[]> }> {
  let goOn!: () => void;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  let holding = 0;
  const queue = {
    eraseCustomer: () => {
      holding += 1;
      return held;
    },
  };
  for (const id of customerIds) await pipeline.addCustomer(id);
  const outcomes = Promise.all(customerIds.map((id) => eraseCustomer({ pool, ...quiet, queue }, id)));
  await waitUntil(() => holding === customerIds.length);
  return { goOn, outcomes };
}

const erased = expect.objectContaining({ kind: 'erased' });
const isThere = async (id: string) =>
  (await pool.query('SELECT FROM customer WHERE id = $1', [id])).rowCount === 1;

describe('erasures of one process', () => {
  it('need one connection each', async () => {
    const single = pipeline.openAnother('single', 1);
    for (const id of ['one', 'two', 'three']) await pipeline.addCustomer(id);
    const erasing = ['one', 'two', 'three'].map((id) => eraseCustomer({ pool: single.pool, ...quiet }, id));
    expect(await Promise.all(erasing)).toEqual([erased, erased, erased]);
    await single.close();
  });

  it('wait for their turn, and are not for the customer that is made meanwhile under the same id', async () => {
    const { goOn, outcomes } = await eraseHalf('first', 'second');
    for (const id of ['again', 'third']) await pipeline.addCustomer(id);
    const waiting = [pipeline.erase('again'), pipeline.erase('third')];
    expect(await pipeline.erase('third')).toEqual({ kind: 'underway' });
    expect(await pipeline.erase('nobody')).toEqual({ kind: 'not_found' });

    const another = pipeline.openAnother('another', 2);
    expect(await eraseCustomer({ pool: another.pool, ...quiet }, 'again')).toEqual(erased);
    await another.close();
    await pipeline.addCustomer('again');
    goOn();
    expect(await outcomes).toEqual([erased, erased]);
    expect(await Promise.all(waiting)).toEqual([{ kind: 'not_found' }, erased]);
    expect(await isThere('again')).toBe(true);
  });

  it('leave none to a worker’s pass that would have to wait: a later one goes on', async () => {
    await pipeline.addCustomer('left');
    await pool.query("UPDATE customer SET erased_at = now() WHERE id = 'left'");
    await pool.query("INSERT INTO erasure (customer_id) VALUES ('left')");
    const { goOn, outcomes } = await eraseHalf('fourth', 'fifth');
    await finishErasures({ pool, ...quiet }, ALL);
    expect(await isThere('left')).toBe(true);
    goOn();
    expect(await outcomes).toEqual([erased, erased]);
    await finishErasures({ pool, ...quiet }, ALL);
    expect(await isThere('left')).toBe(false);
  });
});

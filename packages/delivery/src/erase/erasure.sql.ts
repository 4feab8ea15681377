import type pg from 'pg';

/** What an erasure removes. */
export const erasedKinds = [
  'events',
  'oneShots',
  'deliveries',
  'attempts',
  'idempotencyKeys',
  'idempotentAnswers',
  'statistics',
  'operationalEvents',
  'notices',
  'replays',
  'endpoints',
  'secrets',
  'apiKeys',
  'portalLinks',
  'auditEntries',
] as const;

export type ErasedKind = (typeof erasedKinds)[number];
export type ErasedCounts = Record<ErasedKind, number>;

/** The customer is gone, and perhaps another one is there under its id. */
export class ErasureOver extends Error {}

/** One customer's erasure, from its tombstone to the end, by however many processes it is gone on with. */
export interface Erasure {
  readonly customerId: string;
  readonly erasedAt: Date;
  /**
   * Does part of the work in one transaction, and adds to the counts what it says it has removed. Throws `ErasureOver`
   * when the erasure was finished by somebody else: nothing is removed of a customer that was made since.
   */
  part(work: (client: pg.PoolClient) => Promise<Partial<ErasedCounts>>): Promise<Partial<ErasedCounts>>;
  /** The last part: the customer's own row goes, too. Returns the counts of all parts. */
  finish(work: (client: pg.PoolClient) => Promise<Partial<ErasedCounts>>): Promise<ErasedCounts>;
}

/** When the customer was made, which tells it from others under its id. Null when there is none. */
export async function findCustomerMadeAt(pool: pg.Pool, customerId: string): Promise<Date | null> {
  const { rows } = await pool.query<{ madeAt: Date }>(
    'SELECT created_at AS "madeAt" FROM customer WHERE id = $1',
    [customerId],
  );
  return rows[0]?.madeAt ?? null;
}

/**
 * Sets the tombstone, or finds it set. Null when this customer is not there any more. No part begins after the signal.
 * All of it is done on this one connection, which the caller closes when something rejects.
 */
export async function beginErasure(
  client: pg.PoolClient,
  { customerId, madeAt }: { customerId: string; madeAt: Date },
  signal?: AbortSignal,
): Promise<Erasure | null> {
  const { rows } = await client.query<{ id: string; erasedAt: Date }>(
    `WITH marked AS (
       UPDATE customer SET erased_at = COALESCE(erased_at, now()), updated_at = now()
        WHERE id = $1 AND created_at = $2
       RETURNING id, erased_at
     ), begun AS (
       INSERT INTO erasure (customer_id) SELECT id FROM marked
       ON CONFLICT (customer_id) DO UPDATE SET customer_id = excluded.customer_id RETURNING id
     )
     SELECT begun.id, marked.erased_at AS "erasedAt" FROM marked, begun`,
    [customerId, madeAt],
  );
  const [begun] = rows;
  if (!begun) return null;

  async function counted(work: (client: pg.PoolClient) => Promise<Partial<ErasedCounts>>) {
    const before = await client.query<{ removed: Partial<ErasedCounts> }>(
      'SELECT removed FROM erasure WHERE customer_id = $1 AND id = $2 FOR UPDATE',
      [customerId, begun?.id],
    );
    const [row] = before.rows;
    if (!row) throw new ErasureOver();
    const now = await work(client);
    return { now, total: sum(row.removed, now) };
  }

  return {
    customerId,
    erasedAt: begun.erasedAt,

    part: (work) =>
      transaction(client, async () => {
        signal?.throwIfAborted();
        const { now, total } = await counted(work);
        await client.query('UPDATE erasure SET removed = $2 WHERE customer_id = $1', [
          customerId,
          JSON.stringify(total),
        ]);
        return now;
      }),

    finish: (work) =>
      transaction(client, async () => {
        const { total } = await counted(work);
        await client.query('DELETE FROM erasure WHERE customer_id = $1', [customerId]);
        await client.query('DELETE FROM customer WHERE id = $1', [customerId]);
        return total;
      }),
  };
}

async function transaction<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  const result = await work();
  await client.query('COMMIT');
  return result;
}

function sum(one: Partial<ErasedCounts>, other: Partial<ErasedCounts>): ErasedCounts {
  const counts = erasedKinds.map((kind) => [kind, (one[kind] ?? 0) + (other[kind] ?? 0)]);
  return Object.fromEntries(counts) as ErasedCounts;
}

/** What an erasure removed, over all its runs. */
export interface ErasureReceipt {
  customerId: string;
  erasedAt: Date;
  removed: ErasedCounts;
}

/**
 * `underway`: another process, or another request, is at it, or waits for its turn. `busy`: this process has as many
 * under way and waiting as it may.
 */
export type EraseCustomerOutcome =
  | { kind: 'erased'; receipt: ErasureReceipt }
  | { kind: 'underway' }
  | { kind: 'busy' }
  | { kind: 'not_found' };

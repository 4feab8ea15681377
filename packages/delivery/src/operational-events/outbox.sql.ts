import { type Notice, operatorCustomerId } from '@posthorn/domain';
import type pg from 'pg';

export interface OutboxEntry {
  id: string;
  notice: Notice;
  notedAt: Date;
  /** Its customer is gone or being erased: the entry is dropped. */
  obsolete: boolean;
  /** The customer has a notificationUrl. */
  toOwner: boolean;
}

/** Takes the oldest entries for the rest of the transaction, without those that another process has taken. */
export async function takeFromOutbox(client: pg.ClientBase, limit: number): Promise<OutboxEntry[]> {
  const { rows } = await client.query<{
    id: string;
    type: Notice['type'];
    customerId: string;
    facts: Record<string, unknown>;
    notedAt: Date;
    obsolete: boolean;
    toOwner: boolean;
  }>(
    `SELECT n.id, n.type, n.customer_id AS "customerId", n.facts, n.noted_at AS "notedAt",
            NOT EXISTS (SELECT FROM customer c WHERE c.id = n.customer_id AND c.erased_at IS NULL) AS obsolete,
            EXISTS (SELECT FROM endpoint e
                     WHERE e.customer_id = n.customer_id AND e.kind = 'notification' AND e.deleted_at IS NULL) AS "toOwner"
       FROM notice n ORDER BY n.id LIMIT $1 FOR UPDATE OF n SKIP LOCKED`,
    [limit],
  );
  return rows.map(({ id, type, customerId, facts, ...rest }) => ({
    id,
    // Written by our own statements, of which each is tested.
    notice: { type, customerId, ...facts } as Notice,
    ...rest,
  }));
}

export async function removeFromOutbox(client: pg.ClientBase, ids: readonly string[]): Promise<void> {
  await client.query('DELETE FROM notice WHERE id = ANY ($1::bigint[])', [ids]);
}

/**
 * The part of a statement that notes something in the transaction in which it happens: a common table expression that
 * reads `customer_id` and what else `facts` (SQL, a jsonb object) names from another. Nothing is noted about the operator's own
 * customer: an event about an event would go on for ever.
 */
export function addToOutboxSql(name: string, type: Notice['type'], facts: string, from: string): string {
  return `${name} AS (
    INSERT INTO notice (type, customer_id, facts)
    SELECT '${type}', customer_id, ${facts} FROM ${from} WHERE customer_id <> '${operatorCustomerId}'
  )`;
}

import type { SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

import { headersContext, secretContext } from './stores/sealed-endpoint.js';
import { oneShotHeadersContext, oneShotSecretContext } from './stores/sealed-one-shot.js';

export const sealedKinds = ['signingSecrets', 'endpointHeaders', 'oneShotSecrets', 'oneShotHeaders'] as const;
export type SealedKind = (typeof sealedKinds)[number];

/**
 * A column of sealed values. What lasts has to stand in `sealedColumns`, or it is lost with an old key; answers kept for
 * repeated requests end by themselves.
 */
export interface SealedColumn {
  kind: SealedKind;
  table: string;
  column: string;
  /** Column with the id of what a value belongs to: an endpoint, a customer, a one-shot's event. */
  ownerColumn: string;
  context(ownerId: string): string;
}

export const sealedColumns: readonly SealedColumn[] = [
  {
    kind: 'signingSecrets',
    table: 'endpoint_secret',
    column: 'sealed',
    ownerColumn: 'endpoint_id',
    context: secretContext,
  },
  {
    kind: 'endpointHeaders',
    table: 'endpoint',
    column: 'headers_sealed',
    ownerColumn: 'id',
    context: headersContext,
  },
  {
    kind: 'oneShotSecrets',
    table: 'one_shot_secret',
    column: 'sealed',
    ownerColumn: 'customer_id',
    context: oneShotSecretContext,
  },
  {
    kind: 'oneShotHeaders',
    table: 'one_shot',
    column: 'headers_sealed',
    ownerColumn: 'id',
    context: oneShotHeadersContext,
  },
];

/** The id of the key that sealed a value, in SQL: see the form of sealed bytes at `createSecretBox`. */
export function keyIdSql({ column }: SealedColumn): string {
  return `convert_from(substring(${column} FROM 3 FOR get_byte(${column}, 1)), 'LATIN1')`;
}

export interface SealedCount {
  kind: SealedColumn['kind'];
  keyId: string;
  count: number;
  /** Null when a value of these opens; otherwise why it does not: the key is missing, or another one has its id. */
  problem: Error | null;
}

/** How many values each key has sealed, and whether the box has that key. */
export async function countSealed(pool: pg.Pool, secretBox: SecretBox): Promise<SealedCount[]> {
  const counts: SealedCount[] = [];
  for (const sealed of sealedColumns) {
    const { table, column, ownerColumn, kind, context } = sealed;
    // The keys are few, the values may be millions: one pass over them, and a look-up of one value per key.
    const { rows } = await pool.query<{ key_id: string; count: number; owner_id: string; value: Buffer }>(
      `WITH keys AS MATERIALIZED (
         SELECT ${keyIdSql(sealed)} AS key_id, count(*)::int AS count, min(id::text)::uuid AS id
           FROM ${table} WHERE ${column} IS NOT NULL GROUP BY 1
       )
       SELECT keys.key_id, keys.count, found.${ownerColumn} AS owner_id, found.${column} AS value
         FROM keys JOIN ${table} AS found ON found.id = keys.id ORDER BY keys.key_id`,
    );
    for (const { key_id: keyId, count, owner_id: ownerId, value } of rows) {
      counts.push({ kind, keyId, count, problem: problemOpening(secretBox, value, context(ownerId)) });
    }
  }
  return counts;
}

function problemOpening(secretBox: SecretBox, value: Buffer, context: string): Error | null {
  try {
    secretBox.open(value, context);
    return null;
  } catch (error) {
    return error as Error;
  }
}

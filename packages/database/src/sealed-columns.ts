import type { SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

import { answerContext } from './stores/idempotent-answer-store.js';
import { headersContext, secretContext } from './stores/sealed-endpoint.js';
import { oneShotHeadersContext, oneShotSecretContext } from './stores/sealed-one-shot.js';

export const sealedKinds = [
  'signingSecrets',
  'endpointHeaders',
  'oneShotSecrets',
  'oneShotHeaders',
  'keptAnswers',
] as const;
export type SealedKind = (typeof sealedKinds)[number];

/** A column of sealed values, of a table whose rows have ids. What is not in `sealedColumns` is lost with an old key. */
export interface SealedColumn {
  kind: SealedKind;
  table: string;
  column: string;
  /** What a value belongs to, in SQL, of columns that no other table has: an endpoint, a customer, a one-shot's event. */
  owner: string;
  context(ownerId: string): string;
}

export const sealedColumns: readonly SealedColumn[] = [
  {
    kind: 'signingSecrets',
    table: 'endpoint_secret',
    column: 'sealed',
    owner: 'endpoint_id',
    context: secretContext,
  },
  {
    kind: 'endpointHeaders',
    table: 'endpoint',
    column: 'headers_sealed',
    owner: 'endpoint.id',
    context: headersContext,
  },
  {
    kind: 'oneShotSecrets',
    table: 'one_shot_secret',
    column: 'sealed',
    owner: 'customer_id',
    context: oneShotSecretContext,
  },
  {
    kind: 'oneShotHeaders',
    table: 'one_shot',
    column: 'headers_sealed',
    owner: 'one_shot.id',
    context: oneShotHeadersContext,
  },
  {
    kind: 'keptAnswers',
    table: 'idempotent_answer',
    column: 'sealed',
    owner: "caller_id || ':' || encode(key_hash, 'hex')",
    context: answerContext,
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
    const { table, column, owner, kind, context } = sealed;
    // The keys are few, the values may be millions: one pass over them, and a look-up of one value per key.
    const { rows } = await pool.query<{ key_id: string; count: number; owner_id: string; value: Buffer }>(
      `WITH keys AS MATERIALIZED (
         SELECT ${keyIdSql(sealed)} AS key_id, count(*)::int AS count, min(id::text)::uuid AS id
           FROM ${table} WHERE ${column} IS NOT NULL GROUP BY 1
       )
       SELECT keys.key_id, keys.count, ${owner} AS owner_id, ${column} AS value
         FROM keys JOIN ${table} ON ${table}.id = keys.id ORDER BY keys.key_id`,
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

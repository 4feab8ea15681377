import type { SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

import { headersContext, secretContext } from './stores/sealed-endpoint.js';

/**
 * A column of sealed values. What lasts has to stand in `sealedColumns`, or it is lost with an old key; answers kept for
 * repeated requests end by themselves.
 */
export interface SealedColumn {
  kind: 'signingSecrets' | 'endpointHeaders';
  table: string;
  column: string;
  /** Column with the endpoint a value belongs to. */
  endpointColumn: string;
  context(endpointId: string): string;
}

export const sealedColumns: readonly SealedColumn[] = [
  {
    kind: 'signingSecrets',
    table: 'endpoint_secret',
    column: 'sealed',
    endpointColumn: 'endpoint_id',
    context: secretContext,
  },
  {
    kind: 'endpointHeaders',
    table: 'endpoint',
    column: 'headers_sealed',
    endpointColumn: 'id',
    context: headersContext,
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
    const { table, column, endpointColumn, kind, context } = sealed;
    const { rows } = await pool.query<{ key_id: string; count: number; endpoint_id: string; value: Buffer }>(
      `SELECT DISTINCT ON (key_id) key_id, count(*) OVER (PARTITION BY key_id)::int AS count, endpoint_id, value
         FROM (SELECT ${keyIdSql(sealed)} AS key_id, ${endpointColumn} AS endpoint_id, ${column} AS value
                 FROM ${table} WHERE ${column} IS NOT NULL) AS sealed
        ORDER BY key_id`,
    );
    for (const { key_id: keyId, count, endpoint_id: endpointId, value } of rows) {
      counts.push({ kind, keyId, count, problem: problemOpening(secretBox, value, context(endpointId)) });
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

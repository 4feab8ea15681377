import type { SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

import { idBounds } from './sql/id-bounds.js';
import { inTransaction } from './sql/in-transaction.js';
import { keyIdSql, type SealedColumn, sealedColumns } from './sealed-columns.js';

const BATCH_MAX = 500;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const DEADLOCK = '40P01';

export interface Reencrypted {
  /** Values that the current key seals now and another one did before. */
  count: Record<SealedColumn['kind'], number>;
  /** Values that did not open and stay as they are. */
  unreadable: { kind: SealedColumn['kind']; ownerId: string; error: Error }[];
}

/**
 * Seals with the box's current key what other keys have sealed, batch by batch, while everything else runs. A value that
 * is changed meanwhile stays as its writer left it. Whatever a stopped pass has done is done; the next one does the rest.
 */
export async function reencrypt(pool: pg.Pool, secretBox: SecretBox): Promise<Reencrypted> {
  const result: Reencrypted = {
    count: { signingSecrets: 0, endpointHeaders: 0, oneShotSecrets: 0, oneShotHeaders: 0, keptAnswers: 0 },
    unreadable: [],
  };
  for (const sealed of sealedColumns) {
    let after = FIRST_ID;
    for (;;) {
      const batch = await readBatch(pool, sealed, secretBox.currentKeyId, after);
      const last = batch.at(-1);
      if (!last) break;
      after = last.id;
      const resealed = batch.flatMap((row) => reseal(row, sealed, secretBox, result));
      result.count[sealed.kind] += await replace(pool, sealed, resealed);
    }
  }
  return result;
}

interface SealedRow {
  id: string;
  owner_id: string;
  value: Buffer;
}

interface ResealedRow extends SealedRow {
  resealed: Buffer;
}

async function readBatch(
  pool: pg.Pool,
  sealed: SealedColumn,
  currentKeyId: string,
  after: string,
): Promise<SealedRow[]> {
  const { table, column, owner } = sealed;
  const { rows } = await pool.query<SealedRow>(
    `SELECT id, ${owner} AS owner_id, ${column} AS value FROM ${table}
      WHERE id > $1 AND ${column} IS NOT NULL AND ${keyIdSql(sealed)} <> $2 ORDER BY id LIMIT $3`,
    [after, currentKeyId, BATCH_MAX],
  );
  return rows;
}

function reseal(
  row: SealedRow,
  { kind, context }: SealedColumn,
  secretBox: SecretBox,
  { unreadable }: Reencrypted,
): ResealedRow[] {
  const place = context(row.owner_id);
  try {
    return [{ ...row, resealed: secretBox.seal(secretBox.open(row.value, place), place) }];
  } catch (error) {
    unreadable.push({ kind, ownerId: row.owner_id, error: error as Error });
    return [];
  }
}

/**
 * Locks in the order of ids; erasing a customer locks in another, which may end in a deadlock of which one goes on. The
 * bounds are for the table that has partitions.
 */
async function replace(pool: pg.Pool, sealed: SealedColumn, rows: readonly ResealedRow[]): Promise<number> {
  const { table, column } = sealed;
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  const { min, max } = idBounds(ids);
  try {
    return await inTransaction(pool, async (client) => {
      await client.query(
        `SELECT FROM ${table} WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR NO KEY UPDATE`,
        [ids, min, max],
      );
      const { rowCount } = await client.query(
        `UPDATE ${table} SET ${column} = new.resealed
           FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS new (id, value, resealed)
          WHERE ${table}.id = new.id AND ${table}.${column} = new.value
            AND ${table}.id = ANY($1::uuid[]) AND ${table}.id BETWEEN $4 AND $5`,
        [ids, rows.map(({ value }) => value), rows.map(({ resealed }) => resealed), min, max],
      );
      return rowCount ?? 0;
    });
  } catch (error) {
    if ((error as { code?: string }).code !== DEADLOCK) throw error;
    return replace(pool, sealed, rows);
  }
}

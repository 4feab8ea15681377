import { idBounds } from '@posthorn/database';
import type pg from 'pg';

/** Removes deliveries with their attempts, in one statement, and says how many there were. */
export async function eraseDeliveryRows(
  pool: pg.Pool,
  ids: readonly string[],
): Promise<{ deliveries: number; attempts: number }> {
  if (ids.length === 0) return { deliveries: 0, attempts: 0 };
  const { min, max } = idBounds(ids);
  const { rows } = await pool.query<{ deliveries: number; attempts: number }>(
    `WITH gone AS (
       DELETE FROM delivery WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 RETURNING 1
     ), gone_attempts AS (
       DELETE FROM attempt WHERE delivery_id = ANY ($1::uuid[]) AND delivery_id BETWEEN $2 AND $3 RETURNING 1
     )
     SELECT (SELECT count(*)::int FROM gone) AS deliveries, (SELECT count(*)::int FROM gone_attempts) AS attempts`,
    [ids, min, max],
  );
  return rows[0] ?? { deliveries: 0, attempts: 0 };
}

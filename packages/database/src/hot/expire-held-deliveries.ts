import type pg from 'pg';

import { idBounds } from './id-bounds.js';
import { ENDING_COLUMNS, NOTE_ENDS } from './note-ends.js';

const BATCH = 1_000;

/** Held deliveries whose time is over become dead letters: nothing is held past its partition. Returns how many. */
export async function expireHeldDeliveries(pool: pg.Pool): Promise<number> {
  for (let expired = 0; ;) {
    const { rows } = await pool.query<{ id: string }>(
      `SELECT id FROM delivery WHERE status = 'held' AND expires_at <= now() ORDER BY expires_at LIMIT ${BATCH}`,
    );
    if (rows.length > 0) {
      expired += await expire(
        pool,
        rows.map(({ id }) => id),
      );
    }
    if (rows.length < BATCH) return expired;
  }
}

async function expire(pool: pg.Pool, ids: string[]): Promise<number> {
  const { min, max } = idBounds(ids);
  const { rowCount } = await pool.query(
    `WITH locked AS MATERIALIZED (
       SELECT id FROM delivery
        WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 AND status = 'held' AND expires_at <= now()
        ORDER BY id FOR UPDATE
     ), moved AS (
       UPDATE delivery d
          SET status = CASE WHEN d.delivered_at IS NULL THEN 'dead_lettered' ELSE 'delivered' END, reason = 'expired',
              finished_at = COALESCE(d.delivered_at, now())
         FROM locked
        WHERE d.id = locked.id AND d.id = ANY ($1::uuid[]) AND d.id BETWEEN $2 AND $3
       RETURNING ${ENDING_COLUMNS}
     ), ${NOTE_ENDS}
     SELECT FROM moved`,
    [ids, min, max],
  );
  return rowCount ?? 0;
}

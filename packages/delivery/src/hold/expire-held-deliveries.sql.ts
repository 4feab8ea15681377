import { idBounds, isLocked } from '@posthorn/database';
import type pg from 'pg';

import { RECORD_STREAM_OUTCOMES } from '../settle/record-stream-outcomes.sql.js';
import { OUTCOME_COLUMNS, RECORD_OUTCOMES } from '../settle/record-outcomes.sql.js';

/** Ids of held deliveries whose time is over, those that expired first. */
export async function findExpiredHeld(pool: pg.Pool, limit: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id FROM delivery WHERE status = 'held' AND expires_at <= now() ORDER BY expires_at LIMIT $1",
    [limit],
  );
  return rows.map(({ id }) => id);
}

/** Makes them dead letters if they are still held and expired, or delivered again where they were before. Returns how many. */
export async function expireHeldDeliveries(pool: pg.Pool, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { min, max } = idBounds(ids);
  const { rowCount } = await pool.query(
    `WITH locked AS MATERIALIZED (
       SELECT id FROM delivery
        WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 AND status = 'held' AND expires_at <= now()
        ORDER BY id FOR UPDATE
     ), moved AS (
       UPDATE delivery d
          SET status = CASE WHEN d.delivered_at IS NULL THEN 'dead_lettered' ELSE 'delivered' END,
              reason = CASE WHEN d.delivered_at IS NULL THEN 'expired' END,
              finished_at = COALESCE(d.delivered_at, now())
        WHERE ${isLocked('d', ['$2', '$3'])}
       RETURNING ${OUTCOME_COLUMNS}
     ), ${RECORD_OUTCOMES}, ${RECORD_STREAM_OUTCOMES}
     SELECT FROM moved`,
    [ids, min, max],
  );
  return rowCount ?? 0;
}

import { idBounds, isLocked } from '@posthorn/database';
import type pg from 'pg';

import { EXPIRED_REASON } from '../settle/expired-reason.sql.js';
import { RECORD_STREAM_OUTCOMES } from '../settle/record-stream-outcomes.sql.js';
import { OUTCOME_COLUMNS, RECORD_OUTCOMES } from '../settle/record-outcomes.sql.js';

export interface ParkedCursor {
  dueAt: Date;
  id: string;
}

/**
 * Pending deliveries that were due and whose time was over at `expiredAt`, in the order in which they were due.
 * They are found by the index over what is due.
 */
export async function findExpiredParked(
  pool: pg.Pool,
  { after, expiredAt, limit }: { after: ParkedCursor; expiredAt: Date; limit: number },
): Promise<ParkedCursor[]> {
  // Nothing expires before it is due.
  const { rows } = await pool.query<ParkedCursor>({
    name: 'find_parked_expired',
    text: `
      SELECT id, next_attempt_at AS "dueAt" FROM delivery
       WHERE status = 'pending' AND (next_attempt_at, id) > ($1::timestamptz, $2::uuid) AND next_attempt_at <= $3
         AND expires_at <= $3
       ORDER BY next_attempt_at, id LIMIT $4`,
    values: [after.dueAt, after.id, expiredAt, limit],
  });
  return rows;
}

/**
 * Makes them dead letters if they are still pending and had expired by then, or delivered again where they were before;
 * those that somebody is at are left to them. Returns how many.
 */
export async function expireParkedDeliveries(
  pool: pg.Pool,
  ids: readonly string[],
  expiredAt: Date,
): Promise<number> {
  if (ids.length === 0) return 0;
  const { min, max } = idBounds(ids);
  const { rowCount } = await pool.query({
    name: 'expire_parked',
    text: `
      WITH locked AS MATERIALIZED (
        SELECT id, status, expires_at FROM delivery
         WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE SKIP LOCKED
      ), moved AS (
        UPDATE delivery d
           SET status = CASE WHEN d.delivered_at IS NULL THEN 'dead_lettered' ELSE 'delivered' END,
               reason = CASE WHEN d.delivered_at IS NULL THEN ${EXPIRED_REASON} END,
               next_attempt_at = NULL, waiting_for = NULL, finished_at = COALESCE(d.delivered_at, now())
         WHERE ${isLocked('d', ['$2', '$3'], "status = 'pending' AND expires_at <= $4")}
        RETURNING ${OUTCOME_COLUMNS}
      ), ${RECORD_OUTCOMES}, ${RECORD_STREAM_OUTCOMES}
      SELECT FROM moved`,
    values: [ids, min, max, expiredAt],
  });
  return rowCount ?? 0;
}

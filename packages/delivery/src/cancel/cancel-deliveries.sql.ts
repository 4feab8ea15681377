import { idBounds, isLocked } from '@posthorn/database';
import type pg from 'pg';

import { RECORD_STREAM_OUTCOMES } from '../settle/record-stream-outcomes.sql.js';
import { OUTCOME_COLUMNS, RECORD_OUTCOMES } from '../settle/record-outcomes.sql.js';

/**
 * Cancels those of the deliveries that are in one of the statuses; one that was delivered before its replay is delivered
 * again, without a reason. Returns how many.
 */
export async function cancelDeliveries(
  pool: pg.Pool,
  ids: readonly string[],
  from: readonly ('pending' | 'held')[],
  reason: string,
): Promise<number> {
  if (ids.length === 0) return 0;
  const { min, max } = idBounds(ids);
  const { rowCount } = await pool.query(
    `WITH locked AS MATERIALIZED (
       SELECT id FROM delivery
        WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 AND status = ANY ($4)
        ORDER BY id FOR UPDATE
     ), moved AS (
       UPDATE delivery d
          SET status = CASE WHEN d.delivered_at IS NULL THEN 'cancelled' ELSE 'delivered' END,
              reason = CASE WHEN d.delivered_at IS NULL THEN $5::text END,
              next_attempt_at = NULL, waiting_for = NULL, finished_at = COALESCE(d.delivered_at, now())
        WHERE ${isLocked('d', ['$2', '$3'])}
       RETURNING ${OUTCOME_COLUMNS}
     ), ${RECORD_OUTCOMES}, ${RECORD_STREAM_OUTCOMES}
     SELECT FROM moved`,
    [ids, min, max, from, reason],
  );
  return rowCount ?? 0;
}

import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

import { idBounds } from './id-bounds.js';
import { ENDING_COLUMNS, NOTE_ENDS } from './note-ends.js';

const BATCH = 500;
const FIRST = '00000000-0000-0000-0000-000000000000';

/**
 * Ends pending deliveries whose time was over `graceMs` ago and that nobody came to attempt: their lane was parked by a
 * breaker or a pace. An attempt that does come ends its delivery by itself. `youngestMs`: none expires sooner after its
 * event, so that only the partitions before are looked at, by the index over what is due. Returns how many ended.
 */
export async function expireParkedDeliveries(
  pool: pg.Pool,
  { nowMs, graceMs, youngestMs }: { nowMs: number; graceMs: number; youngestMs: number },
): Promise<number> {
  const before = firstUuidAt(nowMs - youngestMs);
  const expiredAt = new Date(nowMs - graceMs);
  let after = { dueAt: new Date(0), id: FIRST };
  for (let expired = 0; ;) {
    // Nothing expires before it is due.
    const { rows } = await pool.query<{ id: string; dueAt: Date }>({
      name: 'find_parked_expired',
      text: `
        SELECT id, next_attempt_at AS "dueAt" FROM delivery
         WHERE status = 'pending' AND (next_attempt_at, id) > ($1::timestamptz, $2::uuid) AND next_attempt_at <= $3
           AND id < $4::uuid AND expires_at <= $3
         ORDER BY next_attempt_at, id LIMIT ${BATCH}`,
      values: [after.dueAt, after.id, expiredAt, before],
    });
    const last = rows.at(-1);
    if (!last) return expired;
    const ids = rows.map(({ id }) => id);
    const { min, max } = idBounds(ids);
    const { rowCount } = await pool.query({
      name: 'expire_parked',
      text: `
        WITH locked AS MATERIALIZED (
          SELECT id, status, expires_at FROM delivery
           WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE SKIP LOCKED
        ), moved AS (
          UPDATE delivery d
             SET status = CASE WHEN d.delivered_at IS NULL THEN 'dead_lettered' ELSE 'delivered' END, reason = 'expired',
                 next_attempt_at = NULL, waiting_for = NULL, finished_at = COALESCE(d.delivered_at, now())
            FROM locked l
           WHERE d.id = l.id AND d.id = ANY ($1::uuid[]) AND d.id BETWEEN $2 AND $3
             AND l.status = 'pending' AND l.expires_at <= $4
          RETURNING ${ENDING_COLUMNS}
        ), ${NOTE_ENDS}
        SELECT FROM moved`,
      values: [ids, min, max, expiredAt],
    });
    expired += rowCount ?? 0;
    if (rows.length < BATCH) return expired;
    after = last;
  }
}

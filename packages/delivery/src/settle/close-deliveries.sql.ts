import { idBounds } from '@posthorn/database';
import type pg from 'pg';

import { EXPIRED_REASON } from './expired-reason.sql.js';
import { RECORD_STREAM_OUTCOMES } from './record-stream-outcomes.sql.js';
import { OUTCOME_COLUMNS, RECORD_OUTCOMES } from './record-outcomes.sql.js';

export interface DeliveryToClose {
  id: string;
  generation: number;
  status: 'held' | 'dead_lettered' | 'cancelled';
  reason: string;
}

/**
 * Takes pending deliveries out of `pending` without an attempt: held (until `holdLimitMs` after their event), dead-lettered
 * (expired) or cancelled; one that was delivered before its replay is delivered again. None is held whose endpoint is
 * enabled by now: nobody would release it soon. Returns the ids that were closed.
 */
export async function closeDeliveries(
  pool: pg.Pool,
  deliveries: readonly DeliveryToClose[],
  holdLimitMs: number,
): Promise<Set<string>> {
  const ids = deliveries.map(({ id }) => id);
  const { min, max } = idBounds(ids);
  const { rows } = await pool.query<{ id: string }>({
    name: 'close_deliveries',
    text: `
      WITH locked AS MATERIALIZED (
        SELECT id, status, generation FROM delivery
         WHERE id = ANY ($1::uuid[]) AND id BETWEEN $5 AND $6 ORDER BY id FOR UPDATE
      ), moved AS (
        UPDATE delivery d
           SET status = CASE WHEN i.status <> 'held' AND d.delivered_at IS NOT NULL THEN 'delivered' ELSE i.status END,
               reason = CASE WHEN i.status <> 'held' AND d.delivered_at IS NOT NULL THEN NULL
                             WHEN i.reason = 'expired' THEN ${EXPIRED_REASON} ELSE i.reason END,
               next_attempt_at = NULL, waiting_for = NULL,
               finished_at = CASE WHEN i.status <> 'held' THEN COALESCE(d.delivered_at, now()) END,
               expires_at = CASE WHEN i.status = 'held' THEN d.created_at + $7 * interval '1 millisecond' ELSE d.expires_at END
          FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) AS i (id, generation, status, reason)
          JOIN locked l ON l.id = i.id
         WHERE d.id = i.id AND d.id = ANY ($1::uuid[]) AND d.id BETWEEN $5 AND $6
           AND l.status = 'pending' AND l.generation = i.generation
           AND (i.status <> 'held' OR (SELECT e.status FROM endpoint e WHERE e.id = d.endpoint_id) <> 'enabled')
        RETURNING ${OUTCOME_COLUMNS}
      ), ${RECORD_OUTCOMES}, ${RECORD_STREAM_OUTCOMES}
      SELECT id FROM moved`,
    values: [
      ids,
      deliveries.map(({ generation }) => generation),
      deliveries.map(({ status }) => status),
      deliveries.map(({ reason }) => reason),
      min,
      max,
      holdLimitMs,
    ],
  });
  return new Set(rows.map(({ id }) => id));
}

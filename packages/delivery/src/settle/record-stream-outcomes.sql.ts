import type pg from 'pg';

/** Longer than a stream may be resumed. */
const STORED_MS = 2 * 3_600_000;
const DROPPED_MAX = 10_000;

/**
 * The part of a statement that records for streams which of its deliveries ended without an attempt, tests included: a
 * common table expression after one called `moved`, which returns `OUTCOME_COLUMNS`.
 */
export const RECORD_STREAM_OUTCOMES = `closed AS (
  INSERT INTO delivery_closing (customer_id, delivery_ids)
  SELECT customer_id, array_agg(id ORDER BY id) FROM moved WHERE status <> 'held' GROUP BY customer_id
)`;

/** Removes what no stream can read any more. */
export async function dropOldStreamOutcomes(client: pg.ClientBase): Promise<void> {
  await client.query({
    name: 'forget_closings',
    text: `
      DELETE FROM delivery_closing WHERE id IN (
        SELECT id FROM (SELECT id, recorded_at FROM delivery_closing ORDER BY id LIMIT ${DROPPED_MAX}) oldest
         WHERE recorded_at < clock_timestamp() - ${STORED_MS} * interval '1 millisecond')`,
  });
}

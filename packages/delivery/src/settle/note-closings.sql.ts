import type pg from 'pg';

/** Longer than a stream may be resumed. */
const KEPT_MS = 2 * 3_600_000;
const FORGOTTEN_MAX = 10_000;

/**
 * The part of a statement that notes which of the deliveries it moved ended without an attempt, tests too, for those who
 * watch: a common table expression that goes behind one called `moved`, which returns `ENDING_COLUMNS`.
 */
export const NOTE_CLOSINGS = `closed AS (
  INSERT INTO delivery_closing (customer_id, delivery_ids)
  SELECT customer_id, array_agg(id ORDER BY id) FROM moved WHERE status <> 'held' GROUP BY customer_id
)`;

/** Removes what no stream reads any more. */
export async function forgetClosings(client: pg.ClientBase): Promise<void> {
  await client.query({
    name: 'forget_closings',
    text: `
      DELETE FROM delivery_closing WHERE id IN (
        SELECT id FROM (SELECT id, recorded_at FROM delivery_closing ORDER BY id LIMIT ${FORGOTTEN_MAX}) oldest
         WHERE recorded_at < clock_timestamp() - ${KEPT_MS} * interval '1 millisecond')`,
  });
}

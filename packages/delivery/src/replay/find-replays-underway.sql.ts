import type pg from 'pg';

/** Ids of replays that are running or paused, oldest first. None of an erased customer. */
export async function findReplaysUnderway(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    // Looked up one by one: joined, all customers might be read for a table that is mostly empty.
    `SELECT r.id FROM replay r
      CROSS JOIN LATERAL (SELECT FROM customer WHERE id = r.customer_id AND erased_at IS NULL LIMIT 1) c
      WHERE r.state IN ('running', 'paused') ORDER BY r.id`,
  );
  return rows.map(({ id }) => id);
}

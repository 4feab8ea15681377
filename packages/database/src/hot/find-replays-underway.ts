import type pg from 'pg';

/** Ids of replays that are running or paused, oldest first. None of an erased customer. */
export async function findReplaysUnderway(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT r.id FROM replay r JOIN customer c ON c.id = r.customer_id AND c.erased_at IS NULL
      WHERE r.state IN ('running', 'paused') ORDER BY r.id`,
  );
  return rows.map(({ id }) => id);
}

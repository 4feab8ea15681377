import type pg from 'pg';

/** Forgets the answers to repeats that are older than the window. Returns how many. */
export async function dropOldAnswers(pool: pg.Pool, windowHours: number): Promise<number> {
  const { rowCount } = await pool.query(
    "DELETE FROM idempotent_answer WHERE created_at < now() - $1::int * interval '1 hour'",
    [windowHours],
  );
  return rowCount ?? 0;
}

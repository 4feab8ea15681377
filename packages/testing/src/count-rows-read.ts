import type pg from 'pg';

/**
 * How many rows and index entries `work` reads through the one connection of the pool (what others read meanwhile would
 * count as well), of tables whose names match `tables` and, in their indexes, `indexes` (regular expressions of Postgres).
 */
export async function countRowsRead(
  pool: pg.Pool,
  { tables, indexes = tables }: { tables: string; indexes?: string },
  work: () => Promise<unknown>,
): Promise<number> {
  const before = await readSoFar();
  await work();
  return (await readSoFar()) - before;

  async function readSoFar(): Promise<number> {
    await pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await pool.query<{ n: string | null }>(
      `SELECT (SELECT sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname ~ $1)
            + (SELECT COALESCE(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname ~ $2) AS n`,
      [tables, indexes],
    );
    if (rows[0]?.n == null) throw new Error(`No table is called like ${tables}`);
    return Number(rows[0].n);
  }
}

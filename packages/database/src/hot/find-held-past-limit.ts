import type pg from 'pg';

/** Ids of an endpoint's held deliveries past its oldest `heldMax`, oldest first: reads the index alone. */
export async function findHeldPastLimit(
  pool: pg.Pool,
  endpointId: string,
  heldMax: number,
  limit: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT id FROM delivery WHERE endpoint_id = $1 AND status = 'held' ORDER BY id OFFSET $2 LIMIT $3`,
    [endpointId, heldMax, limit],
  );
  return rows.map(({ id }) => id);
}

import type pg from 'pg';

/**
 * Endpoints that take nothing now and hold more than `heldMax`. Reads one index entry per held delivery, whatever
 * else is stored: not for every pass.
 */
export async function findEndpointsPastHeldLimit(pool: pg.Pool, heldMax: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH past AS MATERIALIZED (
       SELECT endpoint_id FROM delivery WHERE status = 'held' GROUP BY endpoint_id HAVING count(*) > $1
     )
     SELECT e.id FROM past JOIN endpoint e ON e.id = past.endpoint_id
      WHERE e.status <> 'enabled' AND e.deleted_at IS NULL ORDER BY e.id`,
    [heldMax],
  );
  return rows.map(({ id }) => id);
}

/**
 * Ids of an endpoint's held deliveries past its oldest `heldMax`, newest first, at most `limit`. Counts and reads in one
 * snapshot: of two that ask at once neither goes below the limit.
 */
export async function findHeldPastLimit(
  pool: pg.Pool,
  endpointId: string,
  heldMax: number,
  limit: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH newest AS MATERIALIZED (
       SELECT id FROM delivery WHERE endpoint_id = $1 AND status = 'held' ORDER BY id DESC LIMIT $3
     )
     SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS place FROM newest) AS numbered
      WHERE place <= (SELECT count(*) FROM delivery WHERE endpoint_id = $1 AND status = 'held') - $2`,
    [endpointId, heldMax, limit],
  );
  return rows.map(({ id }) => id);
}

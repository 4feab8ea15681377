import type pg from 'pg';

const BATCH = 1_000;

/** Held deliveries whose time is over become dead letters: nothing is held past its partition. Returns how many. */
export async function expireHeldDeliveries(pool: pg.Pool): Promise<number> {
  for (let expired = 0; ;) {
    const { rowCount } = await pool.query(
      `WITH locked AS MATERIALIZED (
         SELECT id FROM delivery WHERE status = 'held' AND expires_at <= now() ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
       )
       UPDATE delivery d
          SET status = CASE WHEN d.delivered_at IS NULL THEN 'dead_lettered' ELSE 'delivered' END, reason = 'expired',
              finished_at = COALESCE(d.delivered_at, now())
         FROM locked WHERE d.id = locked.id`,
    );
    expired += rowCount ?? 0;
    if ((rowCount ?? 0) < BATCH) return expired;
  }
}

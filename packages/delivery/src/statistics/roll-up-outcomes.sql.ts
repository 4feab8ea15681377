import type pg from 'pg';

import { GATHER_EXHAUSTED } from '../operational-events/gather-exhausted.sql.js';

const ENDS_MAX = 5_000;

/** Adds how deliveries ended to the statistics, gathers dead letters to tell of, and forgets it. Returns whether there may be more. */
export async function rollUpOutcomes(client: pg.ClientBase, oldestMs: number): Promise<boolean> {
  const { rows } = await client.query<{ removed: number }>({
    name: 'roll_up_ends',
    text: `
      WITH removed AS MATERIALIZED (
        DELETE FROM delivery_end WHERE id IN (SELECT id FROM delivery_end ORDER BY id LIMIT ${ENDS_MAX})
        RETURNING *
      ), taken AS MATERIALIZED (
        SELECT r.* FROM removed r
         CROSS JOIN LATERAL (SELECT FROM customer WHERE id = r.customer_id AND erased_at IS NULL LIMIT 1) c
      ), ${GATHER_EXHAUSTED}, counted AS (
        INSERT INTO statistic AS s (span, customer_id, endpoint_id, starts_at, measure, latency, count)
        SELECT span, t.customer_id, t.endpoint_id, date_trunc(span, t.ended_at, 'UTC'), t.status, 0, sum(t.deliveries)
          FROM taken t CROSS JOIN unnest(ARRAY['minute', 'hour', 'day']) AS span
         WHERE t.ended_at >= $1
         GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (span, customer_id, endpoint_id, starts_at, measure, latency) DO UPDATE SET count = s.count + excluded.count
      )
      SELECT count(*)::int AS removed FROM removed`,
    values: [new Date(oldestMs)],
  });
  return (rows[0]?.removed ?? 0) >= ENDS_MAX;
}

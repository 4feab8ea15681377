import type { EndpointStatus, RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

export interface EndpointHolding {
  id: string;
  /** `deleted` also where the endpoint's row or its customer is gone. */
  status: EndpointStatus | 'deleted';
  retryPolicy: RetryPolicyInput | null;
}

/**
 * Endpoints that hold deliveries, by id. Goes from one endpoint to the next in the index over what is held, so it costs
 * by how many endpoints hold something, not by how much they hold.
 */
export async function findEndpointsHolding(
  pool: pg.Pool,
  afterId: string,
  limit: number,
): Promise<EndpointHolding[]> {
  const { rows } = await pool.query<EndpointHolding>(
    `WITH RECURSIVE holding (endpoint_id, n) AS (
       (SELECT endpoint_id, 1 FROM delivery WHERE status = 'held' AND endpoint_id > $1 ORDER BY endpoint_id LIMIT 1)
       UNION ALL
       SELECT (SELECT d.endpoint_id FROM delivery d
                WHERE d.status = 'held' AND d.endpoint_id > h.endpoint_id ORDER BY d.endpoint_id LIMIT 1),
              h.n + 1
         FROM holding h WHERE h.endpoint_id IS NOT NULL AND h.n < $2
     )
     SELECT h.endpoint_id AS id, e.retry_policy AS "retryPolicy",
            CASE WHEN e.id IS NULL OR e.deleted_at IS NOT NULL OR c.erased_at IS NOT NULL THEN 'deleted' ELSE e.status END AS status
       FROM holding h
       LEFT JOIN endpoint e ON e.id = h.endpoint_id
       LEFT JOIN customer c ON c.id = e.customer_id
      WHERE h.endpoint_id IS NOT NULL
      ORDER BY h.endpoint_id`,
    [afterId, limit],
  );
  return rows;
}

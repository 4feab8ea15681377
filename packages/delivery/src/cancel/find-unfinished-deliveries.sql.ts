import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

export interface UnfinishedQuery {
  endpointId: string;
  status: 'pending' | 'held';
  type?: string | undefined;
  /** Bounds on the event's time: inclusive, exclusive. */
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
  /** Exclusive: the id where the batch before ended. */
  after: string | null;
  limit: number;
}

/** Deliveries that are pending or held. */
export interface UnfinishedFilter {
  customerId: string;
  endpointId?: string | undefined;
  type?: string | undefined;
  /** Both when left out. */
  status?: 'pending' | 'held' | undefined;
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
}

const FIRST = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Ids of an endpoint's pending or held deliveries, oldest first: a range of the index over what is unsettled. */
export async function findUnfinishedDeliveries(pool: pg.Pool, query: UnfinishedQuery): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT id FROM delivery
      WHERE endpoint_id = $1 AND status <> 'delivered' AND status = $2 AND ($3::text IS NULL OR type = $3)
        AND id >= $4 AND id < $5 AND id > $6
      ORDER BY id LIMIT $7`,
    [
      query.endpointId,
      query.status,
      query.type ?? null,
      ...idRangeOf(query),
      query.after ?? FIRST,
      query.limit,
    ],
  );
  return rows.map(({ id }) => id);
}

/**
 * How many of a customer's unfinished deliveries match. Reads at most `readMax`, endpoint by endpoint, by the same index;
 * `more` when there are more to read. Asked for by equality, they were found by reading everybody's: the planner expects to
 * have enough of them soon. In the order of the index there is one way only.
 */
export async function countUnfinishedDeliveries(
  pool: pg.Pool,
  filter: UnfinishedFilter,
  readMax: number,
): Promise<{ matched: number; more: boolean }> {
  const { customerId, endpointId, type, status } = filter;
  const { rows } = await pool.query<{ matched: number; read: number }>(
    `SELECT count(*)::int AS read, count(*) FILTER (WHERE $4::text IS NULL OR type = $4)::int AS matched
       FROM (
         SELECT d.type FROM endpoint e
          CROSS JOIN unnest($3::text[]) AS wanted (status)
          CROSS JOIN LATERAL (
            SELECT type FROM delivery
             WHERE status <> 'delivered' AND id >= $5 AND id < $6
               AND (endpoint_id, status, id) >= (e.id, wanted.status, $5)
               AND (endpoint_id, status, id) < (e.id, wanted.status, $6)
             ORDER BY endpoint_id, status, id LIMIT $7
          ) d
          WHERE e.customer_id = $1 AND ($2::uuid IS NULL OR e.id = $2)
          LIMIT $7
       ) found`,
    [
      customerId,
      endpointId ?? null,
      status ? [status] : ['pending', 'held'],
      type ?? null,
      ...idRangeOf(filter),
      readMax + 1,
    ],
  );
  const { matched = 0, read = 0 } = rows[0] ?? {};
  return { matched: Math.min(matched, readMax), more: read > readMax };
}

function idRangeOf({ sinceMs, untilMs }: { sinceMs?: number | undefined; untilMs?: number | undefined }) {
  return [
    sinceMs === undefined ? FIRST : firstUuidAt(sinceMs),
    untilMs === undefined ? LAST : firstUuidAt(untilMs),
  ];
}

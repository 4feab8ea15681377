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
      query.sinceMs === undefined ? FIRST : firstUuidAt(query.sinceMs),
      query.untilMs === undefined ? LAST : firstUuidAt(query.untilMs),
      query.after ?? FIRST,
      query.limit,
    ],
  );
  return rows.map(({ id }) => id);
}

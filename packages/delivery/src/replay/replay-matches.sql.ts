import { Prisma, type PrismaClient } from '@posthorn/database';

import { type ReplayFilter, replayRange } from './find-deliveries-to-replay.sql.js';

export interface ReplayMatches {
  /** Deliveries that match, per endpoint that has any. */
  lanes: { endpointId: string; matched: number }[];
  matched: number;
  /** True when the count ended at its bound: there may be more. */
  more: boolean;
}

/**
 * Counts what a replay made at `createdAt` covers: of endpoints that are there, and of events that are not older than
 * `holdLimitMs`. Reads at most `readMax` deliveries.
 */
export async function countReplayMatches(
  prisma: Pick<PrismaClient, '$queryRaw'>,
  filter: ReplayFilter,
  { createdAt, holdLimitMs, readMax }: { createdAt: Date; holdLimitMs: number; readMax: number },
): Promise<ReplayMatches> {
  const oldest = new Date(createdAt.getTime() - holdLimitMs);
  const since = filter.since && filter.since > oldest ? filter.since : oldest;
  const candidates = candidatesOf(filter, replayRange({ ...filter, since }, createdAt));
  const { status, type } = filter;
  const rows = await prisma.$queryRaw<{ endpointId: string; matched: number; read: number }[]>`
    SELECT endpoint_id AS "endpointId", count(*)::int AS read,
           count(*) FILTER (WHERE status = ${status} AND (${type}::text IS NULL OR type = ${type})
                              AND finished_at <= ${createdAt}::timestamptz AND there)::int AS matched
      FROM (${candidates} LIMIT ${readMax + 1}) candidate
     GROUP BY endpoint_id ORDER BY endpoint_id`;
  const lanes = rows
    .filter(({ matched }) => matched > 0)
    .map(({ endpointId, matched }) => ({ endpointId, matched }));
  return {
    lanes,
    matched: sum(lanes.map(({ matched }) => matched)),
    more: sum(rows.map(({ read }) => read)) > readMax,
  };
}

/** By the index over what each endpoint has that is not delivered; by the customer's time for what is. */
function candidatesOf(
  { customerId, endpointId, status }: ReplayFilter,
  { from, to }: { from: string; to: string },
): Prisma.Sql {
  if (status === 'delivered') {
    return Prisma.sql`
      SELECT d.endpoint_id, d.status, d.type, d.finished_at,
             EXISTS (SELECT FROM endpoint e WHERE e.id = d.endpoint_id AND e.deleted_at IS NULL) AS there
        FROM delivery d
       WHERE NOT d.test AND d.customer_id = ${customerId} AND d.id >= ${from}::uuid AND d.id < ${to}::uuid
         AND (${endpointId}::uuid IS NULL OR d.endpoint_id = ${endpointId}::uuid)`;
  }
  return Prisma.sql`
    SELECT d.endpoint_id, d.status, d.type, d.finished_at, true AS there
      FROM endpoint e
     CROSS JOIN LATERAL (
       SELECT endpoint_id, status, type, finished_at FROM delivery
        WHERE NOT test AND endpoint_id = e.id AND status <> 'delivered' AND status = ${status}
          AND id >= ${from}::uuid AND id < ${to}::uuid
     ) d
     WHERE e.customer_id = ${customerId} AND e.deleted_at IS NULL
       AND (${endpointId}::uuid IS NULL OR e.id = ${endpointId}::uuid)`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

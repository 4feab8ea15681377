import { firstUuidAt, type ReplayableStatus } from '@posthorn/domain';
import type pg from 'pg';

export interface ReplayFilter {
  customerId: string;
  status: ReplayableStatus;
  endpointId: string | null;
  type: string | null;
  /** Bounds on the event's time: inclusive, exclusive. */
  since: Date | null;
  until: Date | null;
}

/** The first id in a filter's range, and the first past it: nothing accepted after `createdAt` is in it. */
export function replayRange({ since, until }: ReplayFilter, createdAt: Date): { from: string; to: string } {
  const afterCreationMs = createdAt.getTime() + 1;
  return {
    from: firstUuidAt(since?.getTime() ?? 0),
    to: firstUuidAt(Math.min(until?.getTime() ?? afterCreationMs, afterCreationMs)),
  };
}

/**
 * Ids of one endpoint's deliveries, tests aside, that a replay made at `createdAt` covers, oldest event first, after `afterId`.
 * Delivered ones have no index of their own: they are looked for among all of the customer's in that time.
 */
export async function findDeliveriesToReplay(
  client: pg.ClientBase,
  filter: ReplayFilter & { endpointId: string },
  { createdAt, afterId, limit }: { createdAt: Date; afterId: string; limit: number },
): Promise<string[]> {
  const { from, to } = replayRange(filter, createdAt);
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM delivery
      WHERE NOT test AND endpoint_id = $1 AND customer_id = $2 AND status = $3 ${filter.status === 'delivered' ? '' : "AND status <> 'delivered'"}
        AND ($4::text IS NULL OR type = $4) AND finished_at <= $5
        AND id >= $6 AND id < $7 AND id > $8
      ORDER BY id LIMIT $9`,
    [
      filter.endpointId,
      filter.customerId,
      filter.status,
      filter.type,
      createdAt,
      ...[from, to, afterId],
      limit,
    ],
  );
  return rows.map(({ id }) => id);
}

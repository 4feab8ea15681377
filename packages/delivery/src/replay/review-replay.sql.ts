import { inTransaction } from '@posthorn/database';
import type pg from 'pg';

import { collectReplayEnds } from './collect-replay-ends.sql.js';
import { NOTE_REPLAY_FINISHED } from './note-replay-finished.sql.js';

/** `none`: nothing to do now, or another process is at it. */
export type ReplayReview =
  | { kind: 'none' }
  /** Endpoints that the replay may open more deliveries of, those with the fewest unfinished ones first. */
  | { kind: 'room'; endpointIds: string[] }
  | { kind: 'completed'; customerId: string; matched: number; done: number; failed: number };

/**
 * Counts what has ended of a replay that is underway, and completes it when nothing is left. Otherwise tells which
 * endpoints have less than `unfinishedMax` unfinished deliveries of it; those that are paused or disabled wait.
 */
export function reviewReplay(
  pool: pg.Pool,
  replayId: string,
  { unfinishedMax, endpointsMax }: { unfinishedMax: number; endpointsMax: number },
): Promise<ReplayReview> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ state: string }>(
      "SELECT state FROM replay WHERE id = $1 AND state IN ('running', 'paused') FOR UPDATE SKIP LOCKED",
      [replayId],
    );
    const [replay] = rows;
    if (!replay) return { kind: 'none' };
    await collectReplayEnds(client, replayId);
    // Paused, it counts only.
    if (replay.state === 'paused') return { kind: 'none' };
    const completed = await complete(client, replayId);
    if (completed) return { kind: 'completed', ...completed };
    const endpointIds = await endpointsWithRoom(client, replayId, unfinishedMax, endpointsMax);
    return endpointIds.length > 0 ? { kind: 'room', endpointIds } : { kind: 'none' };
  });
}

async function complete(client: pg.ClientBase, replayId: string) {
  const { rows } = await client.query<{ customerId: string; matched: number; done: number; failed: number }>(
    `WITH finished AS (
       UPDATE replay SET state = 'completed', finished_at = clock_timestamp()
        WHERE id = $1
          AND NOT EXISTS (SELECT FROM replay_lane WHERE replay_id = $1)
          AND NOT EXISTS (SELECT FROM replay_delivery WHERE replay_id = $1)
       RETURNING *
     ), ${NOTE_REPLAY_FINISHED}
     SELECT customer_id AS "customerId", matched, done, failed FROM finished`,
    [replayId],
  );
  return rows[0];
}

async function endpointsWithRoom(
  client: pg.ClientBase,
  replayId: string,
  unfinishedMax: number,
  endpointsMax: number,
): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT l.endpoint_id AS id
       FROM replay_lane l
       LEFT JOIN (SELECT endpoint_id, count(*) AS n FROM replay_delivery WHERE replay_id = $1 GROUP BY endpoint_id) u
         ON u.endpoint_id = l.endpoint_id
       JOIN endpoint e ON e.id = l.endpoint_id
      WHERE l.replay_id = $1 AND COALESCE(u.n, 0) < $2 AND (e.status = 'enabled' OR e.deleted_at IS NOT NULL)
      ORDER BY COALESCE(u.n, 0), random() LIMIT $3`,
    [replayId, unfinishedMax, endpointsMax],
  );
  return rows.map(({ id }) => id);
}

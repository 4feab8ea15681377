import type pg from 'pg';

/**
 * How a delivery that a replay opened (row `o` of replay_delivery) has ended: `done`, `failed`, or `open` while it has
 * not. One that was delivered before and whose replay failed is delivered again, since then and not since now. A
 * subselect, because a join would be planned to read whole partitions.
 */
export const REPLAYED_OUTCOME = `
  COALESCE((SELECT CASE WHEN d.status IN ('pending', 'held') THEN 'open'
                        WHEN d.status = 'delivered' AND d.finished_at IS DISTINCT FROM d.delivered_at THEN 'done'
                        ELSE 'failed' END
              FROM delivery d WHERE d.id = o.delivery_id), 'failed')`;

/**
 * Adds what has ended to the counts of the replay, each delivery once: what happens to it later is no longer the
 * replay's. The caller holds the lock of the replay's row.
 */
export async function collectReplayEnds(client: pg.ClientBase, replayId: string): Promise<void> {
  await client.query(
    `WITH opened AS MATERIALIZED (
       SELECT o.endpoint_id, o.delivery_id, ${REPLAYED_OUTCOME} AS outcome FROM replay_delivery o WHERE o.replay_id = $1
     ), ended AS (
       DELETE FROM replay_delivery r USING opened
        WHERE r.replay_id = $1 AND r.endpoint_id = opened.endpoint_id AND r.delivery_id = opened.delivery_id
          AND opened.outcome <> 'open'
       RETURNING opened.outcome
     ), counted AS (
       SELECT count(*) FILTER (WHERE outcome = 'done') AS done, count(*) FILTER (WHERE outcome = 'failed') AS failed FROM ended
     )
     UPDATE replay SET done = replay.done + counted.done, failed = replay.failed + counted.failed
       FROM counted WHERE id = $1 AND counted.done + counted.failed > 0`,
    [replayId],
  );
}

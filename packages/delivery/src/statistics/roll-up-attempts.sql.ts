import { type AttemptsSeen, type Failing, latencyBounds } from '@posthorn/domain';
import type pg from 'pg';

import type { AttemptReader } from './attempt-reader.sql.js';

export interface AttemptsRead {
  /** How many there were. */
  attempts: number;
  /** More are there already. */
  hasMore: boolean;
  /** Endpoints with attempts that were not delivered, now or before. */
  endpoints: EndpointSeen[];
}

/** What the attempts that were read say of an endpoint that takes deliveries, and what was kept of it so far. */
export interface EndpointSeen extends AttemptsSeen {
  endpointId: string;
  epoch: number;
  kept: Failing | null;
}

/**
 * Reads every attempt that was recorded since the last time, once, adds it to the statistics, and notes how far it came:
 * one statement, hence one snapshot. What this snapshot does not show was recorded by transactions it calls open, whose
 * numbers are kept; so nothing that is committed late is missed, and nothing is counted twice. Days whose statistics are
 * gone (before `oldestMs`) are left out. What endpoints are to be judged by comes back.
 */
export async function rollUpAttempts(
  client: pg.ClientBase,
  { nextXid, openXids, since, limitXid }: AttemptReader,
  oldestMs: number,
): Promise<AttemptsRead> {
  const { rows } = await client.query<AttemptsRead>({
    name: 'roll_up_attempts',
    text: STATEMENT,
    values: [nextXid, openXids, limitXid, since, new Date(oldestMs), latencyBounds],
  });
  const [row] = rows;
  if (!row) throw new Error('The reader of attempts lost its place');
  return row;
}

const RECORDED = `
  SELECT delivery_id, status = 'delivered' AS delivered, latency_ms, started_at FROM attempt
   WHERE trigger <> 'test' AND status <> 'overlapped' AND started_at >= $4`;

function ms(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::bigint`;
}

// Endpoint and customer stand with the delivery. Whatever is looked up is looked up one by one, which LIMIT 1 keeps from
// becoming a join: how many attempts there are, and of how many customers, is more than the planner expects, so it would
// compare each with each. What an endpoint delivered last comes by a window for the same reason.
const STATEMENT = `
WITH fresh AS MATERIALIZED (
  ${RECORDED} AND settled_in >= $1::xid8 AND settled_in < $3::xid8
   UNION ALL
  ${RECORDED} AND settled_in = ANY ($2::xid8[])
), seen AS MATERIALIZED (
  SELECT d.customer_id, d.endpoint_id, f.delivered, f.started_at,
         width_bucket(f.latency_ms::float8, $6::float8[])::smallint AS latency
    FROM fresh f
   CROSS JOIN LATERAL (SELECT customer_id, endpoint_id FROM delivery WHERE id = f.delivery_id LIMIT 1) d
   CROSS JOIN LATERAL (SELECT FROM customer WHERE id = d.customer_id AND erased_at IS NULL LIMIT 1) c
), counted AS (
  INSERT INTO statistic AS s (span, customer_id, endpoint_id, starts_at, measure, latency, count)
  SELECT span, customer_id, endpoint_id, date_trunc(span, started_at, 'UTC'),
         CASE WHEN delivered THEN 'success' ELSE 'failure' END, latency, count(*)
    FROM seen CROSS JOIN unnest(ARRAY['minute', 'hour', 'day']) AS span
   WHERE started_at >= $5
   GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (span, customer_id, endpoint_id, starts_at, measure, latency) DO UPDATE SET count = s.count + excluded.count
), signs AS (
  SELECT endpoint_id, delivered_at, min(started_at) FILTER (WHERE NOT delivered AND later) AS failed_first,
         max(started_at) FILTER (WHERE NOT delivered AND later) AS failed_last
    FROM (
      SELECT *, delivered_at IS NULL OR started_at > delivered_at AS later
        FROM (SELECT *, max(started_at) FILTER (WHERE delivered) OVER (PARTITION BY endpoint_id) AS delivered_at FROM seen) AS s
    ) AS compared
   GROUP BY endpoint_id, delivered_at
), judged AS (
  SELECT s.endpoint_id AS "endpointId", e.health_epoch AS epoch, ${ms('s.delivered_at')} AS "deliveredAtMs",
         ${ms('s.failed_first')} AS "failedFirstMs", ${ms('s.failed_last')} AS "failedLastMs",
         CASE WHEN f.endpoint_id IS NOT NULL THEN json_build_object(
           'sinceMs', CASE WHEN f.epoch = e.health_epoch THEN ${ms('f.since')} END, 'lastAtMs', ${ms('f.last_at')},
           'warnedAtMs', ${ms('f.warned_at')}) END AS kept
    FROM signs s
    LEFT JOIN LATERAL (SELECT * FROM endpoint_failing WHERE endpoint_id = s.endpoint_id LIMIT 1) f ON true
   CROSS JOIN LATERAL (
         SELECT health_epoch FROM endpoint
          WHERE id = s.endpoint_id AND kind = 'registered' AND status = 'enabled' AND deleted_at IS NULL LIMIT 1) e
   WHERE s.failed_last IS NOT NULL OR f.endpoint_id IS NOT NULL
), reached AS MATERIALIZED (
  SELECT LEAST($3::xid8, pg_snapshot_xmax(shown)) AS xid, shown FROM pg_current_snapshot() AS shown
)
UPDATE attempt_reader
   SET next_xid = r.xid, open_xids = ARRAY(SELECT x FROM pg_snapshot_xip(r.shown) AS x WHERE x < r.xid),
       read_at = CASE WHEN r.xid < pg_snapshot_xmax(r.shown) THEN read_at ELSE clock_timestamp() END,
       behind = r.xid < pg_snapshot_xmax(r.shown)
  FROM reached r
RETURNING (SELECT count(*)::int FROM fresh) AS attempts, behind AS "hasMore",
          (SELECT COALESCE(json_agg(j), '[]') FROM judged j) AS endpoints`;

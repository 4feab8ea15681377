import { type Failing, type FailingNews } from '@posthorn/domain';
import type pg from 'pg';

import { noteSql } from './notices.js';

/** What became of an endpoint by the attempts that were read; null when it no longer fails. */
export interface JudgedEndpoint {
  endpointId: string;
  epoch: number;
  failing: (Failing & { sinceMs: number }) | null;
  news: readonly FailingNews[];
}

/** Keeps what was judged, and notes what is to be told, all in the caller's transaction. `disableAfterMs` null: never. */
export async function saveFailingEndpoints(
  client: pg.ClientBase,
  judged: readonly JudgedEndpoint[],
  disableAfterMs: number | null,
): Promise<void> {
  if (judged.length === 0) return;
  await client.query({
    name: 'save_failing_endpoints',
    text: STATEMENT,
    values: [
      judged.map(({ endpointId }) => endpointId),
      judged.map(({ epoch }) => epoch),
      judged.map(({ failing }) => failing?.sinceMs ?? null),
      judged.map(({ failing }) => failing?.lastAtMs ?? null),
      judged.map(({ failing }) => failing?.warned ?? null),
      judged.map(({ news }) => news.includes('failing')),
      judged.map(({ news }) => news.includes('recovered')),
      disableAfterMs,
    ],
  });
}

/** Endpoints whose attempts have failed over that long, by all that was recorded: none while the reader is behind. */
export async function findFailingFor(
  pool: pg.Pool,
  disableAfterMs: number,
  exceptCustomerId: string,
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT e.id FROM endpoint_failing f
       JOIN endpoint e ON e.id = f.endpoint_id AND e.health_epoch = f.epoch
      WHERE f.last_at - f.since >= $1 * interval '1 millisecond'
        AND e.status = 'enabled' AND e.deleted_at IS NULL AND e.customer_id <> $2
        AND EXISTS (SELECT FROM attempt_reader WHERE NOT behind AND read_at > now() - interval '1 minute')
      ORDER BY e.id`,
    [disableAfterMs, exceptCustomerId],
  );
  return rows.map(({ id }) => id);
}

const RECOVERED = "jsonb_build_object('endpointId', endpoint_id, 'because', 'delivered')";
const FAILING = `jsonb_build_object('endpointId', endpoint_id, 'failingSince', since, 'lastAttemptAt', last_at,
  'disabledAt', since + $8::bigint * interval '1 millisecond')`;

const STATEMENT = `
WITH input AS (
  SELECT i.*, e.customer_id
    FROM (SELECT endpoint_id, epoch, to_timestamp(since_ms / 1000.0) AS since, to_timestamp(last_ms / 1000.0) AS last_at,
                 warned, failing, recovered
            FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bool[], $6::bool[], $7::bool[])
                 AS t (endpoint_id, epoch, since_ms, last_ms, warned, failing, recovered)) i
    JOIN endpoint e ON e.id = i.endpoint_id
), saved AS (
  INSERT INTO endpoint_failing (endpoint_id, epoch, since, last_at, warned)
  SELECT endpoint_id, epoch, since, last_at, warned FROM input WHERE since IS NOT NULL ORDER BY endpoint_id
  ON CONFLICT (endpoint_id) DO UPDATE
     SET epoch = excluded.epoch, since = excluded.since, last_at = excluded.last_at, warned = excluded.warned
), over AS (
  DELETE FROM endpoint_failing f USING input i WHERE f.endpoint_id = i.endpoint_id AND i.since IS NULL
), ${noteSql('told_recovered', 'posthorn.endpoint.recovered', RECOVERED, '(SELECT * FROM input WHERE recovered) AS news')},
${noteSql('told_failing', 'posthorn.endpoint.failing', FAILING, '(SELECT * FROM input WHERE failing) AS news')}
SELECT`;

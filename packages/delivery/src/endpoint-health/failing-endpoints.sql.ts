import { type Failing, type FailingNews, operatorCustomerId } from '@posthorn/domain';
import type pg from 'pg';

import { addToOutboxSql } from '../operational-events/outbox.sql.js';

/** After how long what happens to an endpoint all of whose attempts fail; null: never. */
export interface FailingLimits {
  warnAfterMs: number | null;
  disableAfterMs: number | null;
}

/** What became of an endpoint by the attempts that were read; null when it no longer fails. */
export interface JudgedEndpoint {
  endpointId: string;
  epoch: number;
  failing: (Failing & { sinceMs: number }) | null;
  news: readonly FailingNews[];
}

/** Keeps what was judged, and notes what is to be told, all in the caller's transaction. */
export async function saveFailingEndpoints(
  client: pg.ClientBase,
  judged: readonly JudgedEndpoint[],
  limits: FailingLimits,
): Promise<void> {
  if (judged.length === 0) return;
  await client.query({
    name: 'save_failing_endpoints',
    text: SAVE,
    values: [
      judged.map(({ endpointId }) => endpointId),
      judged.map(({ epoch }) => epoch),
      judged.map(({ failing }) => failing?.sinceMs ?? null),
      judged.map(({ failing }) => failing?.lastAtMs ?? null),
      judged.map(({ failing }) => failing?.warnedAtMs ?? null),
    ],
  });
  // In this order: an endpoint that was read of late may have recovered, and have been failing again for as long.
  await note(client, NOTE_RECOVERED, judged, 'recovered', []);
  await note(client, NOTE_FAILING, judged, 'failing', [graceMs(limits)]);
}

async function note(
  client: pg.ClientBase,
  text: string,
  judged: readonly JudgedEndpoint[],
  what: FailingNews,
  values: unknown[],
): Promise<void> {
  const ids = judged.filter(({ news }) => news.includes(what)).map(({ endpointId }) => endpointId);
  if (ids.length > 0) await client.query(text, [ids, ...values]);
}

/**
 * Disables the endpoints whose attempts have failed for long enough, and long enough after the warning: its receiver is to
 * have the time in between, also where attempts are rare or were read late. Judged by all that was recorded: none while
 * the reader is behind. Notes each in the same statement, and returns those that this process disabled. The operator's
 * own stay: nobody would be told.
 */
export async function disableFailingEndpoints(pool: pg.Pool, limits: FailingLimits): Promise<string[]> {
  if (limits.disableAfterMs === null) return [];
  const { rows } = await pool.query<{ id: string }>({
    name: 'disable_failing_endpoints',
    text: DISABLE,
    values: [limits.disableAfterMs, limits.warnAfterMs !== null, graceMs(limits), operatorCustomerId],
  });
  return rows.map(({ id }) => id);
}

/** From the warning on; without one, from the first failure. */
function graceMs({ warnAfterMs, disableAfterMs }: FailingLimits): number | null {
  return disableAfterMs === null ? null : disableAfterMs - (warnAfterMs ?? 0);
}

const SAVE = `
WITH input AS (
  SELECT endpoint_id, epoch, to_timestamp(since_ms / 1000.0) AS since, to_timestamp(last_ms / 1000.0) AS last_at,
         to_timestamp(warned_ms / 1000.0) AS warned_at
    FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
         AS t (endpoint_id, epoch, since_ms, last_ms, warned_ms)
), saved AS (
  INSERT INTO endpoint_failing (endpoint_id, epoch, since, last_at, warned_at)
  SELECT endpoint_id, epoch, since, last_at, warned_at FROM input WHERE since IS NOT NULL ORDER BY endpoint_id
  ON CONFLICT (endpoint_id) DO UPDATE
     SET epoch = excluded.epoch, since = excluded.since, last_at = excluded.last_at, warned_at = excluded.warned_at
)
DELETE FROM endpoint_failing f USING input i WHERE f.endpoint_id = i.endpoint_id AND i.since IS NULL`;

const NOTE_RECOVERED = `WITH ${addToOutboxSql(
  'noted',
  'posthorn.endpoint.recovered',
  "jsonb_build_object('endpointId', id, 'because', 'delivered')",
  '(SELECT id, customer_id FROM endpoint WHERE id = ANY ($1::uuid[])) AS recovered',
)} SELECT`;

const NOTE_FAILING = `WITH ${addToOutboxSql(
  'noted',
  'posthorn.endpoint.failing',
  `jsonb_build_object('endpointId', endpoint_id, 'failingSince', since, 'lastAttemptAt', last_at,
     'disabledAt', warned_at + $2::bigint * interval '1 millisecond')`,
  `(SELECT f.*, e.customer_id FROM endpoint_failing f JOIN endpoint e ON e.id = f.endpoint_id
     WHERE e.id = ANY ($1::uuid[])) AS failing`,
)} SELECT`;

const DISABLED = "jsonb_build_object('endpointId', id, 'reason', disabled_reason)";

// Both rows are locked, so that each endpoint is judged by what stands when it is disabled. What another process has locked
// is left to the next pass.
const DISABLE = `
WITH failing AS MATERIALIZED (
  SELECT e.id FROM endpoint_failing f
    JOIN endpoint e ON e.id = f.endpoint_id AND e.health_epoch = f.epoch
   WHERE f.last_at - f.since >= $1::bigint * interval '1 millisecond'
     AND (NOT $2::bool
          OR f.warned_at >= f.since AND f.last_at - f.warned_at >= $3::bigint * interval '1 millisecond')
     AND e.status = 'enabled' AND e.deleted_at IS NULL AND e.customer_id <> $4
     AND EXISTS (SELECT FROM attempt_reader WHERE NOT behind AND read_at > now() - interval '1 minute')
   ORDER BY e.id
     FOR UPDATE OF e, f SKIP LOCKED
), disabled AS (
  UPDATE endpoint e SET status = 'disabled', disabled_reason = 'failing', updated_at = now()
    FROM failing WHERE e.id = failing.id
  RETURNING e.id, e.customer_id, e.disabled_reason
), ${addToOutboxSql('noted', 'posthorn.endpoint.disabled', DISABLED, 'disabled')}
SELECT id FROM disabled ORDER BY id`;

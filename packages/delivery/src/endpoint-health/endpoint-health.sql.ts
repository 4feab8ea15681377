import type { EndpointHealth } from '@posthorn/domain';
import type pg from 'pg';

export interface StoredEndpointHealth {
  endpointId: string;
  /** The endpoint's `health_epoch` under which it was seen. */
  epoch: number;
  health: EndpointHealth;
}

/** The health of these endpoints; none for one that never failed, or that is another one since. */
export async function loadEndpointHealth(
  pool: pg.Pool,
  endpointIds: readonly string[],
): Promise<Map<string, StoredEndpointHealth>> {
  const { rows } = await pool.query<{
    endpoint_id: string;
    epoch: number;
    open_until: Date | null;
    openings: number;
    shut_until: Date | null;
    draining: boolean;
    score: number;
  }>({
    name: 'load_endpoint_health',
    text: `
      SELECT h.endpoint_id, h.epoch, h.open_until, h.openings, h.shut_until, h.draining, h.score
        FROM endpoint_health h JOIN endpoint e ON e.id = h.endpoint_id AND e.health_epoch = h.epoch
       WHERE h.endpoint_id = ANY ($1::uuid[])`,
    values: [endpointIds],
  });
  return new Map(
    rows.map((row) => [
      row.endpoint_id,
      {
        endpointId: row.endpoint_id,
        epoch: row.epoch,
        health: {
          openUntilMs: row.open_until?.getTime() ?? null,
          openings: row.openings,
          pausedUntilMs: row.shut_until?.getTime() ?? null,
          draining: row.draining,
          score: row.score,
        },
      },
    ]),
  );
}

/** One statement for all; rows are locked in id order. What was seen under an older epoch changes nothing. */
export async function saveEndpointHealth(
  pool: pg.Pool,
  kept: readonly StoredEndpointHealth[],
): Promise<void> {
  await pool.query({
    name: 'save_endpoint_health',
    text: `
      INSERT INTO endpoint_health AS h (endpoint_id, epoch, open_until, openings, shut_until, draining, score, updated_at)
      SELECT i.endpoint_id, i.epoch, to_timestamp(i.open_ms / 1000.0), i.openings, to_timestamp(i.shut_ms / 1000.0),
             i.draining, i.score, now()
        FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::bool[], $7::real[])
             AS i (endpoint_id, epoch, open_ms, openings, shut_ms, draining, score)
        JOIN endpoint e ON e.id = i.endpoint_id AND e.health_epoch = i.epoch
       ORDER BY i.endpoint_id
      ON CONFLICT (endpoint_id) DO UPDATE
         SET epoch = excluded.epoch, open_until = excluded.open_until, openings = excluded.openings,
             shut_until = excluded.shut_until, draining = excluded.draining, score = excluded.score, updated_at = now()
       WHERE h.epoch <= excluded.epoch`,
    values: [
      kept.map(({ endpointId }) => endpointId),
      kept.map(({ epoch }) => epoch),
      kept.map(({ health }) => health.openUntilMs),
      kept.map(({ health }) => health.openings),
      kept.map(({ health }) => health.pausedUntilMs && Math.round(health.pausedUntilMs)),
      kept.map(({ health }) => health.draining),
      kept.map(({ health }) => health.score),
    ],
  });
}

/** Says that the endpoint's backlog is still being brought forward. */
export async function heartbeatDrain(pool: pg.Pool, endpointId: string): Promise<void> {
  await pool.query(
    'UPDATE endpoint_health SET updated_at = now() WHERE endpoint_id = $1::uuid AND draining',
    [endpointId],
  );
}

/**
 * Endpoints whose backlog nobody has touched for so long: whoever brought it forward is gone. Taking one touches it, so of
 * those who come at once only one gets it, and it is not taken again before as long has passed.
 */
export async function claimAbandonedDrains(
  pool: pg.Pool,
  leftForMs: number,
  limit: number,
): Promise<{ endpointId: string; customerId: string }[]> {
  const { rows } = await pool.query<{ endpointId: string; customerId: string }>(
    `WITH abandoned AS MATERIALIZED (
       SELECT endpoint_id FROM endpoint_health
        WHERE draining AND updated_at < now() - $1 * interval '1 millisecond'
        ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED
     )
     UPDATE endpoint_health h SET updated_at = now()
       FROM abandoned a JOIN endpoint e ON e.id = a.endpoint_id
      WHERE h.endpoint_id = a.endpoint_id
     RETURNING h.endpoint_id AS "endpointId", e.customer_id AS "customerId"`,
    [leftForMs, limit],
  );
  return rows;
}

export async function endDraining(pool: pg.Pool, endpointId: string): Promise<void> {
  await pool.query(
    'UPDATE endpoint_health SET draining = false, updated_at = now() WHERE endpoint_id = $1::uuid AND draining',
    [endpointId],
  );
}

import type { DatabasePool } from '@posthorn/database';
import { encodeId, type EndpointStatus } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';

import { closeDeliveriesOfEndpoint } from '../cancel/close-deliveries-of-endpoint.sql.js';

export interface PauseEndpointDeps {
  pool: DatabasePool;
  logger: Logger;
  /** How long after its event a delivery may be held. */
  holdLimitMs: number;
}

/** `done` also when it was in that status already. `refused`: its status does not allow it. */
export type EndpointStatusOutcome =
  { kind: 'done' } | { kind: 'refused'; status: EndpointStatus } | { kind: 'not_found' };

/**
 * Pauses an enabled endpoint: from here on its deliveries are held. Those that are pending are held now, in batches; what
 * a process that is cut short leaves, workers hold when its turn comes. A send that is on the wire is recorded, and its
 * success counts.
 */
export async function pauseEndpoint(
  { pool, logger, holdLimitMs }: PauseEndpointDeps,
  endpointId: string,
): Promise<EndpointStatusOutcome> {
  const { rows } = await pool.query<{ was: EndpointStatus }>(
    `WITH before AS (SELECT id, status FROM endpoint WHERE id = $1 AND deleted_at IS NULL FOR UPDATE),
          paused AS (
            UPDATE endpoint e SET status = 'paused', updated_at = now()
              FROM before WHERE e.id = before.id AND before.status = 'enabled'
          )
     SELECT status AS was FROM before`,
    [endpointId],
  );
  const [before] = rows;
  if (!before) return { kind: 'not_found' };
  if (before.was === 'disabled') return { kind: 'refused', status: before.was };
  const held = await closeDeliveriesOfEndpoint(pool, endpointId, {
    status: 'held',
    reason: 'endpoint_paused',
    holdLimitMs,
  });
  if (before.was === 'enabled')
    logger.info('endpoint.paused', { endpoint_id: encodeId('ep', endpointId), held });
  return { kind: 'done' };
}

import type { DatabasePool } from '@posthorn/database';
import { encodeId, type EndpointDisabledReason } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';

import type { EndpointCache } from '../attempt/endpoint-cache.js';
import { closeDeliveriesOfEndpoint } from '../cancel/close-deliveries-of-endpoint.sql.js';
import { addToOutboxSql } from '../operational-events/outbox.sql.js';

export interface EndpointDisablerDeps {
  pool: DatabasePool;
  endpoints: Pick<EndpointCache, 'drop'>;
  logger: Logger;
  /** How long after its event a delivery may be held. */
  holdLimitMs: number;
}

export interface EndpointDisabler {
  /** Disables an endpoint: from here on whatever comes up for it is held instead of sent. False when it was deleted. */
  disable(endpointId: string, reason: EndpointDisabledReason): Promise<boolean>;
  /** Holds what is pending for it now, rather than when each delivery's turn comes. */
  holdPending(endpointId: string): Promise<void>;
}

const NOTE_DISABLED = addToOutboxSql(
  'noted',
  'posthorn.endpoint.disabled',
  "jsonb_build_object('endpointId', id, 'reason', disabled_reason)",
  '(SELECT * FROM disabled WHERE news) AS news',
);

export function createEndpointDisabler(deps: EndpointDisablerDeps): EndpointDisabler {
  const { pool, endpoints, logger, holdLimitMs } = deps;
  const holding = new Map<string, Promise<unknown>>();

  return {
    async disable(endpointId, reason) {
      const { rows } = await pool.query<{ was: string }>(
        `WITH before AS MATERIALIZED (
           SELECT id, kind, status FROM endpoint WHERE id = $1 AND deleted_at IS NULL FOR UPDATE
         ), disabled AS (
           UPDATE endpoint e SET status = 'disabled', disabled_reason = COALESCE(e.disabled_reason, $2), updated_at = now()
             FROM before WHERE e.id = before.id AND before.status <> 'disabled'
           RETURNING e.id, e.customer_id, e.disabled_reason, before.kind = 'registered' AS news
         ), ${NOTE_DISABLED}
         SELECT status AS was FROM before`,
        [endpointId, reason],
      );
      endpoints.drop(endpointId);
      const [before] = rows;
      if (before && before.was !== 'disabled')
        logger.warn('endpoint.disabled', { endpoint_id: encodeId('ep', endpointId), reason });
      return before !== undefined;
    },

    async holdPending(endpointId) {
      // Many sends may be answered 410 at once; one walk serves them all.
      const underway = holding.get(endpointId);
      if (underway) {
        await underway;
        return;
      }
      const walk = closeDeliveriesOfEndpoint(pool, endpointId, {
        status: 'held',
        reason: 'endpoint_disabled',
        holdLimitMs,
      }).finally(() => holding.delete(endpointId));
      holding.set(endpointId, walk);
      await walk;
    },
  };
}

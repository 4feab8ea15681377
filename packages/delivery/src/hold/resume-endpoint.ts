import { encodeId, type EndpointStatus, type RetryPolicyInput } from '@posthorn/domain';

import { addToOutboxSql } from '../operational-events/outbox.sql.js';
import type { EndpointStatusOutcome } from './pause-endpoint.js';
import { releaseHeld, type ReleaseHeldDeps } from './release-held.js';

/** As many are released before the caller is answered; the rest by the periodic pass, so that a request ends soon. */
const RELEASED_AT_ONCE_MAX = 5_000;

export interface Resumption {
  /** `paused` for a resume, `disabled` for an enable. */
  from: Exclude<EndpointStatus, 'enabled'>;
  /** What becomes of what is held: sent, or cancelled. */
  held: 'release' | 'cancel';
}

const NOTE_ENABLED = addToOutboxSql(
  'noted',
  'posthorn.endpoint.recovered',
  "jsonb_build_object('endpointId', id, 'because', 'enabled')",
  "(SELECT * FROM before WHERE status = 'disabled' AND $2 = 'disabled') AS enabled",
);

/**
 * Enables an endpoint that was paused or disabled, and releases or cancels what it holds. Which of the two stands with
 * the endpoint in the same statement, so a process that is cut short changes nothing but the time it takes. Asked of an
 * endpoint that is enabled already, it does nothing more than go on with what is still held.
 */
export async function resumeEndpoint(
  deps: ReleaseHeldDeps,
  endpointId: string,
  { from, held }: Resumption,
): Promise<EndpointStatusOutcome> {
  const { rows } = await deps.pool.query<{ was: EndpointStatus; retryPolicy: RetryPolicyInput | null }>(
    `WITH before AS (
            SELECT id, customer_id, status, retry_policy FROM endpoint WHERE id = $1 AND deleted_at IS NULL FOR UPDATE),
          enabled AS (
            UPDATE endpoint e
               SET status = 'enabled', disabled_reason = NULL, updated_at = now(),
                   held_cancel_before = CASE WHEN $3 = 'cancel' THEN clock_timestamp() END
              FROM before WHERE e.id = before.id AND before.status = $2
          ), forgotten AS (
            DELETE FROM endpoint_failing
             WHERE endpoint_id IN (SELECT id FROM before WHERE status = 'disabled' AND $2 = 'disabled')
          ), ${NOTE_ENABLED}
     SELECT status AS was, retry_policy AS "retryPolicy" FROM before`,
    [endpointId, from, held],
  );
  const [before] = rows;
  if (!before) return { kind: 'not_found' };
  if (before.was !== from && before.was !== 'enabled') return { kind: 'refused', status: before.was };
  const released = await releaseHeld(
    deps,
    { id: endpointId, retryPolicy: before.retryPolicy },
    RELEASED_AT_ONCE_MAX,
  );
  if (before.was === from)
    deps.logger.info('endpoint.enabled', { endpoint_id: encodeId('ep', endpointId), from, held, released });
  return { kind: 'done' };
}

import { encodeId } from '@posthorn/domain';
import type { DatabasePool } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

import type { EndpointCache } from '../attempt/endpoint-cache.js';
import type { EndpointDisabler } from './disable-endpoint.js';
import { disableFailingEndpoints, type FailingLimits } from './failing-endpoints.sql.js';

export interface DisableFailingDeps {
  pool: DatabasePool;
  endpoints: Pick<EndpointCache, 'drop'>;
  disabler: Pick<EndpointDisabler, 'holdPending'>;
  logger: Logger;
  failingLimits: FailingLimits;
}

/**
 * One pass: disables the endpoints all of whose attempts have failed for too long, and holds what is pending for them; what
 * a process that is cut short leaves, workers hold when its turn comes. Several processes may run it at once: each endpoint
 * is disabled, and told of, by one of them.
 */
export async function disableFailing(deps: DisableFailingDeps): Promise<void> {
  const { pool, endpoints, disabler, logger, failingLimits } = deps;
  const disabled = await disableFailingEndpoints(pool, failingLimits);
  for (const endpointId of disabled) {
    endpoints.drop(endpointId);
    logger.warn('endpoint.disabled', { endpoint_id: encodeId('ep', endpointId), reason: 'failing' });
  }
  for (const endpointId of disabled) await disabler.holdPending(endpointId);
}

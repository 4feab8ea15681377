import type { DatabasePool } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

import { cancelDeliveries } from '../cancel/cancel-deliveries.sql.js';
import { findEndpointsPastHeldLimit, findHeldPastLimit } from './find-held-past-limit.sql.js';

const HELD_MAX = 100_000;
const BATCH = 1_000;

export interface CancelHeldOverLimitDeps {
  pool: DatabasePool;
  logger: Logger;
  /** More than this many an endpoint does not hold. Default 100,000. */
  heldMax?: number;
}

/**
 * One pass: of what a paused or disabled endpoint holds past its limit, the newest are cancelled (`held_limit`). Accepting
 * does not count, so between two passes more can be held. Several processes may run it at once. Returns how many.
 */
export async function cancelHeldOverLimit({
  pool,
  logger,
  heldMax = HELD_MAX,
}: CancelHeldOverLimitDeps): Promise<number> {
  let cancelled = 0;
  for (const endpointId of await findEndpointsPastHeldLimit(pool, heldMax)) {
    for (;;) {
      const ids = await findHeldPastLimit(pool, endpointId, heldMax, BATCH);
      cancelled += await cancelDeliveries(pool, ids, ['held'], 'held_limit');
      if (ids.length < BATCH) break;
    }
  }
  if (cancelled > 0) logger.warn('held.past_limit', { cancelled });
  return cancelled;
}

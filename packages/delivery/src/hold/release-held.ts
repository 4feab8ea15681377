import type { DatabasePool } from '@posthorn/database';
import type { RetryPolicyInput } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';

import { deliveryLifetimeMs } from '../accept/delivery-lifetime.js';
import { findUnfinishedDeliveries } from '../cancel/find-unfinished-deliveries.sql.js';
import { enqueueReopened, type JobQueue } from '../enqueue/enqueue-deliveries.js';
import { releaseHeldDeliveries } from './release-held-deliveries.sql.js';

const BATCH = 1_000;

export interface ReleaseHeldDeps {
  pool: DatabasePool;
  queue: JobQueue;
  logger: Logger;
  /** How long after its event a delivery may be held. */
  holdLimitMs: number;
}

/**
 * Releases, or cancels where the last resume said so, what an enabled endpoint still holds: oldest first, in bounded
 * batches, at most about `rowsMax`. Returns how many became pending. What remains is the next caller's: the endpoint's
 * row says what is to be done, so nothing is lost with this process.
 */
export async function releaseHeld(
  { pool, queue, logger, holdLimitMs }: ReleaseHeldDeps,
  endpoint: { id: string; retryPolicy: RetryPolicyInput | null },
  rowsMax: number,
): Promise<number> {
  let released = 0;
  let after: string | null = null;
  for (let seen = 0; seen < rowsMax; seen += BATCH) {
    const ids: string[] = await findUnfinishedDeliveries(pool, {
      endpointId: endpoint.id,
      status: 'held',
      after,
      limit: BATCH,
    });
    const last = ids.at(-1);
    if (last === undefined) break;
    const deliveries = await releaseHeldDeliveries(pool, {
      endpointId: endpoint.id,
      ids,
      deliveryLifetimeMs: deliveryLifetimeMs(endpoint.retryPolicy),
      holdLimitMs,
    });
    await enqueueReopened({ queue, logger }, deliveries);
    released += deliveries.length;
    after = last;
  }
  return released;
}

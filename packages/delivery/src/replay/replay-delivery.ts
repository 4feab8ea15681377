import { encodeId } from '@posthorn/domain';
import type { DatabasePool } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

import { deliveryLifetimeMs } from '../accept/delivery-lifetime.js';
import { enqueueReopened, type JobQueue } from '../enqueue/enqueue-deliveries.js';
import { openEventToEndpoint } from './open-event-to-endpoint.sql.js';
import { reopenDelivery, type ReopenOptions, type ReopenOutcome } from './reopen-delivery.sql.js';

export interface ReplayDeps {
  pool: DatabasePool;
  queue: JobQueue;
  logger: Logger;
  /** No delivery is tried or held longer than this after its event. */
  holdLimitMs: number;
}

export type ReplayOutcome = ReopenOutcome['kind'];

/**
 * Sends a delivery again on request. Finished: it opens under the next generation with a fresh budget, and once delivered
 * it ends as delivered however this goes. Waiting for a retry or held: brought forward under the next generation, so the
 * job that waits finds its generation gone. Numbers of attempts and the webhook-id go on.
 */
export async function replayDelivery(deps: ReplayDeps, deliveryId: string): Promise<ReplayOutcome> {
  return finish(deps, deliveryId, await reopenDelivery(deps.pool, deliveryId, optionsOf(deps)));
}

/**
 * Sends an event to an endpoint of its customer, also one that did not match or exist then. Asked twice, the pair still
 * has one delivery.
 */
export async function replayEvent(
  deps: ReplayDeps,
  eventId: string,
  endpointId: string,
): Promise<ReplayOutcome> {
  return finish(deps, eventId, await openEventToEndpoint(deps.pool, eventId, endpointId, optionsOf(deps)));
}

function optionsOf({ holdLimitMs }: ReplayDeps): ReopenOptions {
  return { deliveryLifetimeMs, holdLimitMs };
}

async function finish(deps: ReplayDeps, replayed: string, outcome: ReopenOutcome): Promise<ReplayOutcome> {
  if (outcome.kind === 'opened') {
    const { deliveryId, generation } = outcome.delivery;
    deps.logger.info('delivery.replayed', { replayed, delivery_id: encodeId('dlv', deliveryId), generation });
    await enqueueReopened(deps, [outcome.delivery]);
  }
  return outcome.kind;
}

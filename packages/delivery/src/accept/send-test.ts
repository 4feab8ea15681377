import type { DatabasePool, DatabaseClock } from '@posthorn/database';
import { buildEnvelope, createUuidV7, deliveryIdOf, encodeId, testType } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';

import { enqueueReopened, type JobQueue } from '../enqueue/enqueue-deliveries.js';
import { insertTest } from './insert-test.sql.js';

/** A test whose endpoint's lane stays shut (breaker, rate limit) is not sent after this. */
const OPEN_FOR_MS = 3_600_000;

export interface TestDeps {
  pool: DatabasePool;
  clock: DatabaseClock;
  queue: JobQueue;
  logger: Logger;
}

export interface SentTest {
  eventId: string;
  deliveryId: string;
}

/**
 * Sends an event of the type `posthorn.test` to one endpoint, over its lane and signed like any other, once, and also while
 * the endpoint is paused or disabled. Ledger, statistics and the endpoint's breaker leave its failure out. Null when the
 * endpoint is not there.
 */
export async function sendTest(
  deps: TestDeps,
  { customerId, endpointId }: { customerId: string; endpointId: string },
): Promise<SentTest | null> {
  const acceptedAtMs = deps.clock.nowMs();
  const eventId = createUuidV7(acceptedAtMs);
  const deliveryId = deliveryIdOf(eventId, endpointId);
  const body = buildEnvelope({
    id: encodeId('evt', eventId),
    type: testType,
    timestamp: new Date(acceptedAtMs).toISOString(),
    dataSource: JSON.stringify({ message: 'This is a test.', endpointId: encodeId('ep', endpointId) }),
  });
  const there = await insertTest(deps.pool, {
    eventId,
    deliveryId,
    endpointId,
    type: testType,
    acceptedAtMs,
    expiresAtMs: acceptedAtMs + OPEN_FOR_MS,
    body,
  });
  if (!there) return null;
  await enqueueReopened(deps, [{ deliveryId, eventId, customerId, endpointId, generation: 1 }]);
  return { eventId, deliveryId };
}

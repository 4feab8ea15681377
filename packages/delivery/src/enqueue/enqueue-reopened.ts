import type { Logger } from '@posthorn/runtime';

import type { ReleasedDelivery } from '../hold/release-held-deliveries.sql.js';
import type { JobQueue } from './enqueue-deliveries.js';

/** Enqueues what opened again; failing costs latency only, because the sweep enqueues what is due. */
export async function enqueueReopened(
  { queue, logger }: { queue: JobQueue; logger: Logger },
  deliveries: readonly ReleasedDelivery[],
): Promise<void> {
  if (deliveries.length === 0) return;
  try {
    await queue.enqueue(
      deliveries.map(({ id, eventId, customerId, endpointId, generation }) => ({
        customerId,
        endpointId,
        deliveryId: id,
        eventId,
        generation,
        delayMs: 0,
      })),
    );
  } catch (error) {
    logger.warn('queue.enqueue_failed', { error, deliveries: deliveries.length, leftTo: 'sweep' });
  }
}

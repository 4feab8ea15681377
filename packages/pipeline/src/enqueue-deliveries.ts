import type { EventToInsert } from '@posthorn/database';
import type { DeliveryJob } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';

/** What the enqueuer needs of the queue. */
export interface JobQueue {
  enqueue(jobs: readonly DeliveryJob[]): Promise<void>;
}

export interface DeliveryEnqueuer {
  /** Hands the pending deliveries of freshly committed events to the queue, without making anyone wait. */
  enqueueAccepted(events: readonly EventToInsert[]): void;
  /** Resolves when every batch handed over was added or given up. */
  close(): Promise<void>;
}

/** Batches on their way to Redis; past it a batch is left to the sweep rather than kept in memory. */
const BATCHES_MAX = 64;

/**
 * Failing here costs latency only: the deliveries are committed, and the sweep enqueues what the queue does not know.
 * So nothing is retried, and while Redis is away nothing piles up.
 */
export function createDeliveryEnqueuer(queue: JobQueue, logger: Logger): DeliveryEnqueuer {
  const underway = new Set<Promise<void>>();
  let failing = false;

  const enqueue = async (jobs: DeliveryJob[]): Promise<void> => {
    try {
      await queue.enqueue(jobs);
      if (failing) logger.info('queue.enqueue_recovered');
      failing = false;
    } catch (error) {
      if (!failing) logger.warn('queue.enqueue_failed', { error, deliveries: jobs.length, leftTo: 'sweep' });
      failing = true;
    }
  };

  return {
    enqueueAccepted(events) {
      const jobs = events.flatMap(toJobs);
      if (jobs.length === 0 || underway.size >= BATCHES_MAX) return;
      const batch = enqueue(jobs).finally(() => underway.delete(batch));
      underway.add(batch);
    },
    async close() {
      await Promise.all(underway);
    },
  };
}

function toJobs(event: EventToInsert): DeliveryJob[] {
  const jobs: DeliveryJob[] = [];
  for (const { id, endpointId, status } of event.deliveries) {
    if (status !== 'pending') continue;
    jobs.push({
      customerId: event.customerId,
      endpointId,
      deliveryId: id,
      eventId: event.id,
      generation: 1,
      delayMs: 0,
    });
  }
  return jobs;
}

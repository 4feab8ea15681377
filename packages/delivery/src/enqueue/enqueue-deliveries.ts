import type { DeliveryJob } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

import type { DeliveryToInsert, EventToInsert } from '../accept/insert-events.sql.js';

/** What the enqueuer needs of the queue. */
export interface JobQueue {
  enqueue(jobs: readonly DeliveryJob[]): Promise<void>;
}

export interface DeliveryEnqueuer {
  /** Hands the pending deliveries of freshly committed events to the queue, without making anyone wait. */
  enqueueAccepted(events: readonly EventToInsert[]): void;
  /** The same for one event with many deliveries: a piece is made and handed over when the one before it is there. */
  enqueueInPieces(
    event: Pick<EventToInsert, 'id' | 'customerId'>,
    pieces: Iterable<DeliveryToInsert[]>,
    /** Awaited after each, with what it took. */
    betweenPieces?: (tookMs: number) => Promise<void>,
  ): void;
  /** Resolves when every batch handed over was added or given up. */
  close(): Promise<void>;
}

/** Batches on their way to Redis; past either a batch is left to the sweep rather than kept in memory. */
const BATCHES_MAX = 64;
const JOBS_MAX = 32_000;
/** Events that are enqueued in pieces at once; the sweep has the rest. */
const IN_PIECES_MAX = 2;

/**
 * Failing here costs latency only: the deliveries are committed, and the sweep enqueues what the queue does not know.
 * So nothing is retried, and while Redis is away nothing piles up.
 */
export function createDeliveryEnqueuer(queue: JobQueue, logger: Logger): DeliveryEnqueuer {
  const underway = new Set<Promise<unknown>>();
  let jobsUnderway = 0;
  let inPieces = 0;
  let failing = false;

  const enqueue = async (jobs: DeliveryJob[]): Promise<boolean> => {
    jobsUnderway += jobs.length;
    try {
      await queue.enqueue(jobs);
      if (failing) logger.info('queue.enqueue_recovered');
      failing = false;
      return true;
    } catch (error) {
      if (!failing) logger.warn('queue.enqueue_failed', { error, deliveries: jobs.length, leftTo: 'sweep' });
      failing = true;
      return false;
    } finally {
      jobsUnderway -= jobs.length;
    }
  };

  const enqueueEach = async (
    event: Pick<EventToInsert, 'id' | 'customerId'>,
    pieces: Iterable<DeliveryToInsert[]>,
    betweenPieces: (tookMs: number) => Promise<void>,
  ): Promise<void> => {
    inPieces += 1;
    try {
      for (const deliveries of pieces) {
        const startedMs = performance.now();
        if (!(await enqueue(toJobs({ ...event, deliveries })))) break;
        await betweenPieces(performance.now() - startedMs);
      }
    } finally {
      inPieces -= 1;
    }
  };

  const keepUntilDone = (work: Promise<unknown>): void => {
    const kept = work.finally(() => underway.delete(kept));
    underway.add(kept);
  };

  return {
    enqueueAccepted(events) {
      const jobs = events.flatMap(toJobs);
      if (jobs.length === 0 || underway.size >= BATCHES_MAX || jobsUnderway >= JOBS_MAX) return;
      keepUntilDone(enqueue(jobs));
    },
    enqueueInPieces(event, pieces, betweenPieces = () => turnOfTheLoop()) {
      if (inPieces < IN_PIECES_MAX) keepUntilDone(enqueueEach(event, pieces, betweenPieces));
    },
    async close() {
      await Promise.all(underway);
    },
  };
}

function toJobs({
  id: eventId,
  customerId,
  deliveries,
}: Pick<EventToInsert, 'id' | 'customerId' | 'deliveries'>): DeliveryJob[] {
  const jobs: DeliveryJob[] = [];
  for (const { id, endpointId, status } of deliveries) {
    if (status !== 'pending') continue;
    jobs.push({ customerId, endpointId, deliveryId: id, eventId, generation: 1, delayMs: 0 });
  }
  return jobs;
}

import type { DeliveryRef } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

import type { DeliveryToInsert } from '../accept/insert-events.sql.js';

/** What the enqueuer needs of the queue. */
export interface JobQueue {
  enqueue(deliveries: readonly DeliveryRef[]): Promise<void>;
}

export interface DeliveryEnqueuer {
  /** Hands the pending deliveries of freshly committed events to the queue, without making anyone wait. */
  enqueueAccepted(events: readonly { deliveries: readonly DeliveryToInsert[] }[]): void;
  /** The same for one event with many deliveries: a piece is made and handed over when the one before it is there. */
  enqueueInPieces(
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

  const enqueue = async (pending: readonly DeliveryRef[]): Promise<boolean> => {
    jobsUnderway += pending.length;
    try {
      await queue.enqueue(pending);
      if (failing) logger.info('queue.enqueue_recovered');
      failing = false;
      return true;
    } catch (error) {
      if (!failing)
        logger.warn('queue.enqueue_failed', { error, deliveries: pending.length, left_to: 'sweep' });
      failing = true;
      return false;
    } finally {
      jobsUnderway -= pending.length;
    }
  };

  const enqueueEach = async (
    pieces: Iterable<DeliveryToInsert[]>,
    betweenPieces: (tookMs: number) => Promise<void>,
  ): Promise<void> => {
    inPieces += 1;
    try {
      for (const deliveries of pieces) {
        const startedMs = performance.now();
        if (!(await enqueue(deliveries.filter(isPending)))) break;
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
      const pending = events.flatMap(({ deliveries }) => deliveries.filter(isPending));
      if (pending.length === 0 || underway.size >= BATCHES_MAX || jobsUnderway >= JOBS_MAX) return;
      keepUntilDone(enqueue(pending));
    },
    enqueueInPieces(pieces, betweenPieces = () => turnOfTheLoop()) {
      if (inPieces < IN_PIECES_MAX) keepUntilDone(enqueueEach(pieces, betweenPieces));
    },
    async close() {
      await Promise.all(underway);
    },
  };
}

/** For what was opened again: waits for the queue. Failing costs latency only, here as well. */
export async function enqueueReopened(
  { queue, logger }: { queue: JobQueue; logger: Logger },
  deliveries: readonly DeliveryRef[],
): Promise<void> {
  if (deliveries.length === 0) return;
  try {
    await queue.enqueue(deliveries);
  } catch (error) {
    logger.warn('queue.enqueue_failed', { error, deliveries: deliveries.length, left_to: 'sweep' });
  }
}

function isPending({ status }: DeliveryToInsert): boolean {
  return status === 'pending';
}

import {
  bringForward,
  endDraining,
  findLeftDraining,
  touchDraining,
  type BroughtForward,
} from '@posthorn/database';
import type { DeliveryJob } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import type pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';

/** As many deliveries are brought forward at a time, the next when no more than `NEARLY_EMPTY` of them wait. */
const PAGE_ROWS = 50;
const NEARLY_EMPTY = 25;
const LOOK_EVERY_MS = 50;
const RETRY_MS = 1_000;
const TOUCH_EVERY_MS = 10_000;
/** A backlog that nobody has gone on with for so long is taken up by the pass. */
const LEFT_AFTER_MS = 30_000;
const LEFT_MAX = 100;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

export interface EndpointOfCustomer {
  customerId: string;
  endpointId: string;
}

export interface RecoveryQueue {
  /** Makes delayed jobs due and adds unknown ones. */
  bringForward(jobs: readonly DeliveryJob[]): Promise<void>;
  /** How many jobs of the endpoint's lane wait to be fetched. */
  waiting(endpoint: EndpointOfCustomer): Promise<number>;
}

export interface EndpointRecovery {
  /** For the endpoint's owner: resolves when nothing waits for a retry time any more; rejects when aborted. */
  drain(endpoint: EndpointOfCustomer, signal: AbortSignal): Promise<void>;
  /** Takes up backlogs whose owner is gone: a page each makes their lane open, and its owner goes on. */
  resumeLeft(): Promise<void>;
}

/**
 * When an endpoint has recovered, what waits for it is not left to its old retry times: page by page it becomes due, oldest
 * event first, and never more than a few dozen places of the lane are taken by it.
 */
export function createEndpointRecovery({
  pool,
  queue,
  logger,
}: {
  pool: pg.Pool;
  queue: RecoveryQueue;
  logger: Logger;
}): EndpointRecovery {
  return {
    async drain(endpoint, signal) {
      const { customerId, endpointId } = endpoint;
      const startedAtMs = Date.now();
      let touchedAtMs = startedAtMs;
      let brought = 0;
      for (let after: string | null = BEFORE_ALL; after !== null;) {
        const page = await persist(() => nextPage(endpointId, after ?? BEFORE_ALL), signal);
        if (page.jobs.length > 0) await persist(() => queue.bringForward(page.jobs), signal);
        brought += page.jobs.length;
        after = page.after;
        while (
          page.jobs.length > 0 &&
          after !== null &&
          (await persist(() => queue.waiting(endpoint), signal)) > NEARLY_EMPTY
        ) {
          await sleep(LOOK_EVERY_MS, undefined, { signal });
        }
        if (Date.now() - touchedAtMs < TOUCH_EVERY_MS) continue;
        touchedAtMs = Date.now();
        await persist(() => touchDraining(pool, endpointId), signal);
      }
      logger.info('endpoint.drained', { customerId, endpointId, brought, tookMs: Date.now() - startedAtMs });
    },

    async resumeLeft() {
      for (const { endpointId } of await findLeftDraining(pool, LEFT_AFTER_MS, LEFT_MAX)) {
        let page = await nextPage(endpointId, BEFORE_ALL);
        while (page.jobs.length === 0 && page.after !== null) page = await nextPage(endpointId, page.after);
        if (page.jobs.length === 0) await endDraining(pool, endpointId);
        else await queue.bringForward(page.jobs);
      }
    },
  };

  async function nextPage(
    endpointId: string,
    after: string,
  ): Promise<{ jobs: DeliveryJob[]; after: string | null }> {
    const page: BroughtForward = await bringForward(pool, { endpointId, after, limit: PAGE_ROWS });
    const jobs = page.deliveries.map(({ id, ...ids }) => ({ ...ids, deliveryId: id, delayMs: 0 }));
    return { jobs, after: page.after };
  }

  /** While Postgres or Redis is away it waits. What is due in Postgres and still delayed in the queue the sweep finds. */
  async function persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failing = false; ;) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (!failing) logger.warn('endpoint.drain_delayed', { error });
        failing = true;
        await sleep(RETRY_MS, undefined, { signal });
      }
    }
  }
}

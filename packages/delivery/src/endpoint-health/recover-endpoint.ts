import { encodeId } from '@posthorn/domain';
import type { DatabasePool } from '@posthorn/database';
import type { DeliveryJob } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import { bringForward, type BroughtForward } from './bring-forward.sql.js';
import { endDraining, takeLeftDraining, touchDraining } from './endpoint-health.sql.js';

/** As many deliveries are brought forward at a time, the next when no more than `NEARLY_EMPTY` of them wait. */
const PAGE_ROWS = 50;
const NEARLY_EMPTY = 25;
const LOOK_EVERY_MS = 50;
const LOOK_AT_LEAST_EVERY_MS = 1_000;
const RETRY_MS = 1_000;
const LEFT_AFTER_MS = 30_000;
/** So often within that time does an owner say that it is still there. */
const TOUCHES = 3;
const LEFT_MAX = 100;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

export interface EndpointOfCustomer {
  customerId: string;
  endpointId: string;
}

export interface RecoveryQueue {
  /** Makes delayed jobs due and adds unknown ones. */
  makeDueNow(jobs: readonly DeliveryJob[]): Promise<void>;
  /** How many jobs of the endpoint's lane wait to be fetched. */
  waiting(endpoint: EndpointOfCustomer): Promise<number>;
}

export interface EndpointRecovery {
  /** For the endpoint's owner: resolves when nothing waits for a retry time any more; rejects when aborted. */
  drain(endpoint: EndpointOfCustomer, signal: AbortSignal): Promise<void>;
  /**
   * Takes up backlogs whose owner is gone: what waits in their lane makes it open, and its owner goes on. Where the lane is
   * nearly empty, a page is brought first.
   */
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
  leftAfterMs = LEFT_AFTER_MS,
}: {
  pool: DatabasePool;
  queue: RecoveryQueue;
  logger: Logger;
  /** A backlog whose owner has not been heard of for so long is taken up by `resumeLeft`. Default 30 s. */
  leftAfterMs?: number;
}): EndpointRecovery {
  return {
    async drain(endpoint, signal) {
      const { customerId, endpointId } = endpoint;
      const startedAtMs = Date.now();
      const touch = createTouch(endpointId, signal);
      let brought = 0;
      for (let after: string | null = BEFORE_ALL; after !== null;) {
        const page = await persist(() => nextPage(endpointId, after ?? BEFORE_ALL), signal);
        if (page.jobs.length > 0) await persist(() => queue.makeDueNow(page.jobs), signal);
        brought += page.jobs.length;
        after = page.after;
        if (page.jobs.length > 0 && after !== null) await untilNearlyEmpty(endpoint, signal, touch);
        await touch();
      }
      logger.info('endpoint.drained', {
        customer_id: customerId,
        endpoint_id: encodeId('ep', endpointId),
        moved: brought,
        took_ms: Date.now() - startedAtMs,
      });
    },

    async resumeLeft() {
      for (const endpoint of await takeLeftDraining(pool, leftAfterMs, LEFT_MAX)) {
        if ((await queue.waiting(endpoint)) > NEARLY_EMPTY) continue;
        const { endpointId } = endpoint;
        let page = await nextPage(endpointId, BEFORE_ALL);
        while (page.jobs.length === 0 && page.after !== null) page = await nextPage(endpointId, page.after);
        if (page.jobs.length === 0) await endDraining(pool, endpointId);
        else await queue.makeDueNow(page.jobs);
      }
    },
  };

  /** A lane that stands still, for a rate limit or while its breaker is open, is looked at less and less often. */
  async function untilNearlyEmpty(
    endpoint: EndpointOfCustomer,
    signal: AbortSignal,
    touch: () => Promise<void>,
  ): Promise<void> {
    let inMs = LOOK_EVERY_MS;
    for (let before = Infinity; ;) {
      const waiting = await persist(() => queue.waiting(endpoint), signal);
      if (waiting <= NEARLY_EMPTY) return;
      inMs = waiting < before ? LOOK_EVERY_MS : Math.min(2 * inMs, LOOK_AT_LEAST_EVERY_MS);
      before = waiting;
      await touch();
      await sleep(inMs, undefined, { signal });
    }
  }

  /** To be called often: now and then it says that the backlog is still being brought forward, however slowly. */
  function createTouch(endpointId: string, signal: AbortSignal): () => Promise<void> {
    let touchedAtMs = Date.now();
    return async () => {
      if (Date.now() - touchedAtMs < leftAfterMs / TOUCHES) return;
      touchedAtMs = Date.now();
      await persist(() => touchDraining(pool, endpointId), signal);
    };
  }

  async function nextPage(
    endpointId: string,
    after: string,
  ): Promise<{ jobs: DeliveryJob[]; after: string | null }> {
    const page: BroughtForward = await bringForward(pool, { endpointId, after, limit: PAGE_ROWS });
    return { jobs: page.deliveries, after: page.after };
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

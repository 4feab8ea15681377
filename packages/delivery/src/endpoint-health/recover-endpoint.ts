import { encodeId } from '@posthorn/domain';
import type { DatabasePool } from '@posthorn/database';
import type { DeliveryJob } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeDueNow, type MadeDue } from './make-due-now.sql.js';
import { endDraining, claimAbandonedDrains, heartbeatDrain } from './endpoint-health.sql.js';

/** As many deliveries are moved forward at a time, the next when no more than `NEARLY_EMPTY` of them wait. */
const PAGE_ROWS = 50;
const NEARLY_EMPTY = 25;
const LOOK_EVERY_MS = 50;
const LOOK_AT_LEAST_EVERY_MS = 1_000;
const RETRY_MS = 1_000;
const LEFT_AFTER_MS = 30_000;
/** How often an owner shows within that time that it is still there. */
const HEARTBEATS = 3;
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
   * nearly empty, a page is moved first.
   */
  resumeAbandoned(): Promise<void>;
}

/**
 * When an endpoint has recovered, its deliveries do not wait for their old retry times: they become due page by page, the
 * oldest event first, and never more than a few dozen of them are in the lane.
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
  /** `resumeAbandoned` continues a backlog whose owner has been silent for this long. Default 30 s. */
  leftAfterMs?: number;
}): EndpointRecovery {
  return {
    async drain(endpoint, signal) {
      const { customerId, endpointId } = endpoint;
      const startedAtMs = Date.now();
      const heartbeat = createHeartbeat(endpointId, signal);
      let moved = 0;
      for (let after: string | null = BEFORE_ALL; after !== null;) {
        const page = await persist(() => nextPage(endpointId, after ?? BEFORE_ALL), signal);
        if (page.jobs.length > 0) await persist(() => queue.makeDueNow(page.jobs), signal);
        moved += page.jobs.length;
        after = page.after;
        if (page.jobs.length > 0 && after !== null) await untilNearlyEmpty(endpoint, signal, heartbeat);
        await heartbeat();
      }
      logger.info('endpoint.drained', {
        customer_id: customerId,
        endpoint_id: encodeId('ep', endpointId),
        moved,
        took_ms: Date.now() - startedAtMs,
      });
    },

    async resumeAbandoned() {
      for (const endpoint of await claimAbandonedDrains(pool, leftAfterMs, LEFT_MAX)) {
        if ((await queue.waiting(endpoint)) > NEARLY_EMPTY) continue;
        const { endpointId } = endpoint;
        let page = await nextPage(endpointId, BEFORE_ALL);
        while (page.jobs.length === 0 && page.after !== null) page = await nextPage(endpointId, page.after);
        if (page.jobs.length === 0) await endDraining(pool, endpointId);
        else await queue.makeDueNow(page.jobs);
      }
    },
  };

  /** A lane that does not move, because of a rate limit or an open breaker, is checked less and less often. */
  async function untilNearlyEmpty(
    endpoint: EndpointOfCustomer,
    signal: AbortSignal,
    heartbeat: () => Promise<void>,
  ): Promise<void> {
    let inMs = LOOK_EVERY_MS;
    for (let before = Infinity; ;) {
      const waiting = await persist(() => queue.waiting(endpoint), signal);
      if (waiting <= NEARLY_EMPTY) return;
      inMs = waiting < before ? LOOK_EVERY_MS : Math.min(2 * inMs, LOOK_AT_LEAST_EVERY_MS);
      before = waiting;
      await heartbeat();
      await sleep(inMs, undefined, { signal });
    }
  }

  /** To be called often: now and then it says that the backlog is still being moved forward, however slowly. */
  function createHeartbeat(endpointId: string, signal: AbortSignal): () => Promise<void> {
    let beatAtMs = Date.now();
    return async () => {
      if (Date.now() - beatAtMs < leftAfterMs / HEARTBEATS) return;
      beatAtMs = Date.now();
      await persist(() => heartbeatDrain(pool, endpointId), signal);
    };
  }

  async function nextPage(
    endpointId: string,
    after: string,
  ): Promise<{ jobs: DeliveryJob[]; after: string | null }> {
    const page: MadeDue = await makeDueNow(pool, { endpointId, after, limit: PAGE_ROWS });
    return { jobs: page.deliveries, after: page.after };
  }

  /** Waits while Postgres or Redis is away. The sweep finds what is due in Postgres and still delayed in the queue. */
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

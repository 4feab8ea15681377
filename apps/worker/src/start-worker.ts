import type { Database } from '@posthorn/database';
import type { RouteCache } from '@posthorn/delivery/accept';
import { createDeliveryAttempter, type EndpointCache, type OneShotStore } from '@posthorn/delivery/attempt';
import { createEndpointHealthStore, createEndpointRecovery } from '@posthorn/delivery/endpoint-health';
import { holdLimitMs } from '@posthorn/delivery/hold';
import { createDeliverySettler } from '@posthorn/delivery/settle';
import { createDispatcher, createQueueProducer } from '@posthorn/queue';
import type { Logger, ServeConfig, Shutdown } from '@posthorn/runtime';
import { createSender } from '@posthorn/sender';
import { randomUUID } from 'node:crypto';

import { laneLimits } from './lane-limits.js';
import { startMaintenanceTasks } from './maintenance-tasks.js';

const BACKGROUND_COMMAND_TIMEOUT_MS = 10_000;
/** What closes after the dispatcher has this much of the time for a stop. */
const CLOSING_MS = 1_000;

export interface StartWorkerDeps {
  config: ServeConfig;
  logger: Logger;
  shutdown: Shutdown;
  database: Database;
  endpoints: EndpointCache;
  routes: RouteCache;
  oneShots: Pick<OneShotStore, 'readForDelivery'>;
}

/**
 * The worker role: leases customers, delivers, and runs the maintenance tasks. Starting does not wait: while Redis is
 * away, claiming begins when Redis is back. A stop claims nothing more, lets sends in flight end until the deadline, and
 * releases the customers.
 */
export function startWorker(deps: StartWorkerDeps): void {
  const { config, logger, shutdown, database } = deps;
  // Its own producer: what the sweep enqueues by the thousand must neither time out early nor delay accepted events.
  const queue = createQueueProducer({
    redisUrl: config.redisUrl,
    prefix: config.queuePrefix,
    logger,
    commandTimeoutMs: BACKGROUND_COMMAND_TIMEOUT_MS,
  });
  const recovery = createEndpointRecovery({ pool: database.pool, queue, logger });
  const delivering = openDelivering(deps, recovery);
  const tasks = startMaintenanceTasks({ ...deps, queue, recovery });
  let stopped = false;
  shutdown.onClose('worker', async (deadlineMs) => {
    stopped = true;
    const dispatcherMs = Math.max(deadlineMs / 2, deadlineMs - CLOSING_MS);
    await Promise.all([delivering.dispatcher.stop({ deadlineMs: dispatcherMs }), tasks.stop()]);
    await delivering.close();
    await queue.close();
  });

  delivering.dispatcher.start().then(
    () => logger.info('worker.claiming'),
    (error: unknown) => {
      if (!stopped) logger.error('worker.start_failed', { error });
    },
  );
}

type Recovery = Pick<ReturnType<typeof createEndpointRecovery>, 'drain'>;

/** The dispatcher, with what it needs to attempt and settle a delivery. */
function openDelivering(
  { config, logger, database, endpoints, oneShots }: StartWorkerDeps,
  recovery: Recovery,
) {
  const { keyLookupPool, clock } = database;
  const heldMs = holdLimitMs(config.retentionDays);
  const sender = createSender({
    allowTargets: config.allowTargets,
    dnsServers: config.dnsServers.length > 0 ? config.dnsServers : undefined,
    timeoutMsDefault: config.timeoutMs,
    connectionAgeMaxMs: config.connectionAgeMaxSeconds * 1_000,
    logger,
  });
  const settler = createDeliverySettler({ pool: keyLookupPool, clock, logger, holdLimitMs: heldMs });
  const healthStore = createEndpointHealthStore({ pool: database.pool, logger });
  const dispatcher = createDispatcher({
    redisUrl: config.redisUrl,
    prefix: config.queuePrefix,
    workerId: randomUUID(),
    logger,
    handle: createDeliveryAttempter({
      pool: keyLookupPool,
      clock,
      endpoints,
      oneShots,
      sender,
      settler,
      logger,
      timeoutMs: config.timeoutMs,
      endpointMaxInFlight: config.endpointInFlightMax,
      holdLimitMs: heldMs,
    }),
    laneLimits: async (_customerId, endpointId) => laneLimits(await endpoints.get(endpointId), config),
    health: {
      load: (endpointId) => healthStore.load(endpointId),
      save: (health, transition) => healthStore.note(health, transition),
      drain: (endpoint, signal) => recovery.drain(endpoint, signal),
    },
    inFlightMax: config.inFlightMax,
    jobLockMs: config.jobLockMs,
    stalledIntervalMs: config.stalledCheckMs,
  });
  return {
    dispatcher,
    async close() {
      await settler.idle();
      await healthStore.close();
      await sender.close();
    },
  };
}

import type { Database } from '@posthorn/database';
import type { OneShotStore } from '@posthorn/delivery/attempt';
import type { RouteCache } from '@posthorn/delivery/accept';
import { createDeliveryAttempter, type EndpointCache } from '@posthorn/delivery/attempt';
import { createEndpointHealthKeeper, createEndpointRecovery } from '@posthorn/delivery/endpoint-health';
import { holdLimitMs } from '@posthorn/delivery/hold';
import { createDeliverySettler } from '@posthorn/delivery/settle';
import { createDispatcher, createQueueProducer } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import { createSender } from '@posthorn/sender';
import { randomUUID } from 'node:crypto';

import { laneLimits } from './lane-limits.js';
import { createPasses, type PassSettings } from './passes.js';

const BACKGROUND_COMMAND_TIMEOUT_MS = 10_000;
/** Left of a stop's time for what is closed after the dispatcher. */
const CLOSING_MS = 1_000;

export interface WorkerSettings extends PassSettings {
  redisUrl: string;
  allowTargets: readonly string[];
  dnsServers: readonly string[];
  timeoutMs: number;
  connectionAgeMaxSeconds: number;
  inFlightMax: number;
  customerInFlightMax: number;
  endpointInFlightMax: number;
  jobLockMs: number;
  stalledCheckMs: number;
}

export interface WorkerDeps {
  database: Database;
  endpoints: EndpointCache;
  routes: RouteCache;
  oneShots: Pick<OneShotStore, 'readForDelivery'>;
  logger: Logger;
  settings: WorkerSettings;
}

export interface Worker {
  /** Does not wait: while Redis is away, claiming begins when it is there. */
  start(): void;
  /** Takes nothing new, lets sends in flight end until the deadline, hands its customers over. */
  stop(options: { deadlineMs: number }): Promise<void>;
}

/** The worker role: leases customers and delivers; runs the sweep and bulk replays, makes partitions ahead and drops old ones. */
export function createWorker({
  database,
  endpoints,
  routes,
  oneShots,
  logger,
  settings,
}: WorkerDeps): Worker {
  const { pool, clock } = database;
  const heldMs = holdLimitMs(settings.retentionDays);
  const sender = createSender({
    allowTargets: settings.allowTargets,
    dnsServers: settings.dnsServers.length > 0 ? settings.dnsServers : undefined,
    timeoutMsDefault: settings.timeoutMs,
    connectionAgeMaxMs: settings.connectionAgeMaxSeconds * 1_000,
    logger,
  });
  const settler = createDeliverySettler({ pool: database.keyLookupPool, clock, logger, holdLimitMs: heldMs });
  // Of its own: what the sweep sends by the thousand must neither be cut off early nor stand before what is accepted.
  const queue = createQueueProducer({
    redisUrl: settings.redisUrl,
    prefix: settings.queuePrefix,
    logger,
    commandTimeoutMs: BACKGROUND_COMMAND_TIMEOUT_MS,
  });
  const healthKeeper = createEndpointHealthKeeper({ pool, logger });
  const recovery = createEndpointRecovery({ pool, queue, logger });
  const dispatcher = createDispatcher({
    redisUrl: settings.redisUrl,
    prefix: settings.queuePrefix,
    workerId: randomUUID(),
    logger,
    handle: createDeliveryAttempter({
      pool: database.keyLookupPool,
      clock,
      endpoints,
      oneShots,
      sender,
      settler,
      logger,
      timeoutMs: settings.timeoutMs,
      endpointMaxInFlight: settings.endpointInFlightMax,
      holdLimitMs: heldMs,
    }),
    laneLimits: async (_customerId, endpointId) => laneLimits(await endpoints.get(endpointId), settings),
    health: {
      load: (endpointId) => healthKeeper.load(endpointId),
      save: (health, transition) => healthKeeper.note(health, transition),
      drain: (endpoint, signal) => recovery.drain(endpoint, signal),
    },
    inFlightMax: settings.inFlightMax,
    jobLockMs: settings.jobLockMs,
    stalledIntervalMs: settings.stalledCheckMs,
  });
  const passes = createPasses({ database, endpoints, routes, queue, recovery, logger, settings });
  let stopped = false;

  return {
    start() {
      passes.start();
      dispatcher.start().then(
        () => logger.info('worker.claiming'),
        (error: unknown) => {
          if (!stopped) logger.error('worker.start_failed', { error });
        },
      );
    },
    async stop({ deadlineMs }) {
      stopped = true;
      await Promise.all([
        dispatcher.stop({ deadlineMs: Math.max(deadlineMs / 2, deadlineMs - CLOSING_MS) }),
        passes.stop(),
      ]);
      await settler.idle();
      await healthKeeper.close();
      await queue.close();
      await sender.close();
    },
  };
}

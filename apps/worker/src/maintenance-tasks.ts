import {
  createAuditStore,
  createPortalLinkStore,
  dropOldAnswers,
  dropOldPartitions,
  ensurePartitions,
  refreshPartitionStatistics,
  type Database,
} from '@posthorn/database';
import { createEventAcceptor, type EventAcceptor, type RouteCache } from '@posthorn/delivery/accept';
import type { EndpointCache } from '@posthorn/delivery/attempt';
import { createEndpointDisabler, disableFailing } from '@posthorn/delivery/endpoint-health';
import { createDeliveryEnqueuer } from '@posthorn/delivery/enqueue';
import { finishErasures } from '@posthorn/delivery/erase';
import {
  createHeldReconciler,
  expireHeld,
  expireParked,
  holdLimitMs,
  cancelHeldOverLimit,
} from '@posthorn/delivery/hold';
import { createOperationalEventPublisher } from '@posthorn/delivery/operational-events';
import { createReplayRunner } from '@posthorn/delivery/replay';
import { createStatisticsRollUp } from '@posthorn/delivery/statistics';
import { createSweep } from '@posthorn/delivery/sweep';
import type { QueueProducer } from '@posthorn/queue';
import type { Logger, ServeConfig } from '@posthorn/runtime';

import { runEvery } from './run-every.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** An open lane ends its expired deliveries by itself. The task ends those whose lane does not open. */
const EXPIRY_GRACE_MS = MINUTE_MS;

export interface MaintenanceDeps {
  config: ServeConfig;
  database: Database;
  endpoints: EndpointCache;
  routes: RouteCache;
  queue: QueueProducer;
  recovery: { resumeAbandoned(): Promise<void> };
  logger: Logger;
}

export interface MaintenanceTasks {
  /** Cuts short what can be, and resolves when every task that runs has ended. */
  stop(): Promise<void>;
}

interface MaintenanceTask {
  /** In the log, when it fails. */
  name: string;
  /** From the end of one run to the start of the next. */
  intervalMs: number;
  run: () => Promise<unknown>;
}

/** Starts what every worker does at an interval. A task may run in several processes at once, or makes sure that it does not. */
export function startMaintenanceTasks(deps: MaintenanceDeps): MaintenanceTasks {
  const { config, database, routes, queue, logger } = deps;
  const { idempotencyWindowHours, retentionDays } = config;
  const acceptor = createEventAcceptor({
    pool: database.ingestPool,
    clock: database.clock,
    routes,
    enqueuer: createDeliveryEnqueuer(queue, logger),
    logger,
    idempotencyWindowHours,
    retentionDays,
  });
  const stopping = new AbortController();
  const tasks = [...storageTasks(deps, stopping.signal), ...deliveryTasks(deps, acceptor, stopping.signal)];
  const running = tasks.map(({ name, intervalMs, run }) => runEvery(intervalMs, name, run, logger));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running.map((task) => task.stop()));
      await acceptor.close();
    },
  };
}

/** What keeps the tables small and their plans good. */
function storageTasks(deps: MaintenanceDeps, stopping: AbortSignal): MaintenanceTask[] {
  const { config, database, queue, logger } = deps;
  const { pool, clock } = database;
  const { retentionDays, idempotencyWindowHours, auditRetentionDays } = config;
  const audit = createAuditStore(database);
  const portalLinks = createPortalLinkStore(database);
  return [
    {
      name: 'partitions', // creates those of the coming days, drops those past their retention
      intervalMs: 5 * MINUTE_MS,
      async run() {
        const nowMs = clock.nowMs();
        await ensurePartitions(pool, { nowMs });
        const limits = { nowMs, retentionDays, idempotencyWindowHours };
        const { dropped, kept } = await dropOldPartitions(pool, limits);
        if (dropped.length > 0) logger.info('partitions.dropped', { partitions: dropped });
        if (kept.length > 0) logger.info('partitions.kept', { days: kept, reason: 'unfinished deliveries' });
      },
    },
    {
      name: 'partition_statistics', // analyzes partitions that have grown, so that their plans fit
      intervalMs: 5 * SECOND_MS,
      async run() {
        const analyzed = await refreshPartitionStatistics(pool, clock.nowMs());
        if (analyzed.length > 0) logger.info('partitions.analyzed', { partitions: analyzed });
      },
    },
    {
      name: 'audit_retention', // removes entries of the audit log past their retention
      intervalMs: HOUR_MS,
      async run() {
        const beforeMs = clock.nowMs() - auditRetentionDays * DAY_MS;
        while ((await audit.removeBefore(beforeMs)) > 0) if (stopping.aborted) return;
      },
    },
    {
      name: 'stored_responses', // removes responses that are too old to answer a repeated request
      intervalMs: 5 * MINUTE_MS,
      run: () => dropOldAnswers(pool, idempotencyWindowHours),
    },
    {
      name: 'portal_links', // removes expired links and sessions
      intervalMs: 5 * MINUTE_MS,
      run: () => portalLinks.removeExpired(),
    },
    {
      name: 'erasures', // completes erasures that were interrupted
      intervalMs: 10 * SECOND_MS,
      run: () => finishErasures({ pool, queue, logger }, stopping),
    },
  ];
}

/** What brings deliveries to their end when nothing else does. */
function deliveryTasks(
  deps: MaintenanceDeps,
  acceptor: EventAcceptor,
  stopping: AbortSignal,
): MaintenanceTask[] {
  const { config, database, endpoints, queue, recovery, logger } = deps;
  const { pool, clock } = database;
  const shared = { pool, queue, logger, holdLimitMs: holdLimitMs(config.retentionDays) };
  const sweep = createSweep({
    ...shared,
    shard: config.queuePrefix,
    graceMs: config.sweepGraceMs,
    intervalMs: config.sweepIntervalMs,
  });
  const heldReconciler = createHeldReconciler(shared);
  const replays = createReplayRunner(shared);
  const failingLimits = {
    warnAfterMs: msUnlessZero(config.failingWarnSeconds),
    disableAfterMs: msUnlessZero(config.failingDisableSeconds),
  };
  const statistics = createStatisticsRollUp({
    pool,
    clock,
    retentionDays: config.retentionDays,
    failingLimits,
  });
  const disabler = createEndpointDisabler({ ...shared, endpoints });
  const publisher = createOperationalEventPublisher({ pool, acceptor, logger });
  return [
    {
      name: 'sweep', // enqueues due deliveries without a job
      intervalMs: config.sweepIntervalMs,
      run: () => sweep.run(stopping),
    },
    {
      name: 'expiry_held', // ends held deliveries whose lifetime is over
      intervalMs: MINUTE_MS,
      run: () => expireHeld(pool),
    },
    {
      name: 'expiry_parked', // ends parked deliveries whose lifetime is over
      intervalMs: MINUTE_MS,
      async run() {
        const expired = await expireParked(pool, { nowMs: clock.nowMs(), graceMs: EXPIRY_GRACE_MS });
        if (expired > 0) logger.warn('deliveries.expired', { deliveries: expired });
      },
    },
    {
      name: 'held_deliveries', // makes held deliveries agree with the state of their endpoints
      intervalMs: 10 * SECOND_MS,
      run: () => heldReconciler.run(),
    },
    {
      name: 'held_limit', // cancels what is held beyond the limit; counts all that is held, so not as often
      intervalMs: 30 * SECOND_MS,
      run: () => cancelHeldOverLimit({ pool, logger }),
    },
    {
      name: 'endpoint_recovery', // takes over endpoints whose worker ended while it made their backlog due
      intervalMs: 10 * SECOND_MS,
      run: () => recovery.resumeAbandoned(),
    },
    {
      name: 'bulk_replays', // opens 50 deliveries per endpoint and run: at most some 100 a second of one replay
      intervalMs: 500,
      run: () => replays.run(stopping),
    },
    {
      name: 'operational_events', // publishes what is in the outbox
      intervalMs: 2 * SECOND_MS,
      run: () => publisher.run(stopping),
    },
    {
      name: 'roll_up_statistics', // then disables by the statistics of this moment, so that no success is missed
      intervalMs: 5 * SECOND_MS,
      async run() {
        await statistics.run(stopping);
        await disableFailing({ pool, endpoints, disabler, logger, failingLimits });
      },
    },
  ];
}

function msUnlessZero(seconds: number): number | null {
  return seconds === 0 ? null : seconds * 1_000;
}

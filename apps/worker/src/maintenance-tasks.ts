import {
  createAuditStore,
  createPortalLinkStore,
  dropOldAnswers,
  dropOldPartitions,
  ensurePartitions,
  refreshPartitionStatistics,
  type Database,
} from '@posthorn/database';
import { createEventAcceptor, type RouteCache } from '@posthorn/delivery/accept';
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
import { createNoticeTeller } from '@posthorn/delivery/operational-events';
import { createReplayRunner } from '@posthorn/delivery/replay';
import { createAttemptReading } from '@posthorn/delivery/statistics';
import { createSweep } from '@posthorn/delivery/sweep';
import type { QueueProducer } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';

import { runEvery } from './run-every.js';

const PARTITIONS_EVERY_MS = 300_000;
const STATISTICS_EVERY_MS = 5_000;
const EXPIRY_EVERY_MS = 60_000;
const AUDIT_RETENTION_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
const RECONCILE_EVERY_MS = 10_000;
const RECOVERY_EVERY_MS = 10_000;
/** A lane that is open ends what has expired by itself; this is for what nobody comes to. */
const EXPIRY_GRACE_MS = 60_000;
/** Counts everything that is held, so not as often as that. */
const HELD_LIMIT_EVERY_MS = 30_000;
const ANSWERS_EVERY_MS = 300_000;
const PORTAL_LINKS_EVERY_MS = 300_000;
/** With a page of 50 per endpoint, each worker opens at most some 100 deliveries a second of a replay to each. */
const REPLAYS_EVERY_MS = 500;
const ATTEMPTS_EVERY_MS = 5_000;
/** Only for those that were cut short. */
const ERASURES_EVERY_MS = 10_000;
const NOTICES_EVERY_MS = 2_000;

export interface MaintenanceSettings {
  queuePrefix: string;
  sweepIntervalMs: number;
  sweepGraceMs: number;
  retentionDays: number;
  auditRetentionDays: number;
  idempotencyWindowHours: number;
  /** 0: nobody is. */
  failingWarnSeconds: number;
  /** 0: never. */
  failingDisableSeconds: number;
}

export interface MaintenanceDeps {
  database: Database;
  endpoints: EndpointCache;
  routes: RouteCache;
  queue: QueueProducer;
  /** Goes on with endpoints whose owner died while their backlog was brought forward. */
  recovery: { resumeLeft(): Promise<void> };
  logger: Logger;
  settings: MaintenanceSettings;
}

export interface MaintenanceTasks {
  start(): void;
  /** Cuts short what can be, and resolves when every task that runs has ended. */
  stop(): Promise<void>;
}

/** What every worker does at an interval. A task may run in several processes at once, or makes sure that it does not. */
export function createMaintenanceTasks({
  database,
  endpoints,
  routes,
  queue,
  recovery,
  logger,
  settings,
}: MaintenanceDeps): MaintenanceTasks {
  const { pool, clock } = database;
  const { retentionDays, idempotencyWindowHours } = settings;
  const heldMs = holdLimitMs(retentionDays);
  const sweep = createSweep({
    pool,
    queue,
    logger,
    shard: settings.queuePrefix,
    graceMs: settings.sweepGraceMs,
    intervalMs: settings.sweepIntervalMs,
  });
  const audit = createAuditStore(database);
  const portalLinks = createPortalLinkStore(database);
  const heldReconciler = createHeldReconciler({ pool, queue, logger, holdLimitMs: heldMs });
  const replays = createReplayRunner({ pool, queue, logger, holdLimitMs: heldMs });
  const failingLimits = {
    warnAfterMs: msUnlessZero(settings.failingWarnSeconds),
    disableAfterMs: msUnlessZero(settings.failingDisableSeconds),
  };
  const reading = createAttemptReading({ pool, clock, retentionDays, failingLimits });
  const disabler = createEndpointDisabler({ pool, endpoints, logger, holdLimitMs: heldMs });
  const acceptor = createEventAcceptor({
    pool: database.ingestPool,
    clock,
    routes,
    enqueuer: createDeliveryEnqueuer(queue, logger),
    logger,
    idempotencyWindowHours,
    retentionDays,
  });
  const teller = createNoticeTeller({ pool, acceptor, logger });
  const stopping = new AbortController();
  let stopTasks: () => Promise<unknown> = () => Promise.resolve();

  /** Makes the days ahead, drops those past their retention. */
  async function keepPartitions(): Promise<void> {
    const nowMs = clock.nowMs();
    await ensurePartitions(pool, { nowMs });
    const { dropped, kept } = await dropOldPartitions(pool, { nowMs, retentionDays, idempotencyWindowHours });
    if (dropped.length > 0) logger.info('partitions.dropped', { partitions: dropped });
    if (kept.length > 0) logger.info('partitions.kept', { days: kept, reason: 'unfinished deliveries' });
  }

  async function keepStatistics(): Promise<void> {
    const analyzed = await refreshPartitionStatistics(pool, clock.nowMs());
    if (analyzed.length > 0) logger.info('partitions.analyzed', { partitions: analyzed });
  }

  async function removeOldAuditEntries(): Promise<void> {
    const beforeMs = clock.nowMs() - settings.auditRetentionDays * DAY_MS;
    while ((await audit.removeBefore(beforeMs)) > 0) if (stopping.signal.aborted) return;
  }

  async function expireWhatIsParked(): Promise<void> {
    const expired = await expireParked(pool, { nowMs: clock.nowMs(), graceMs: EXPIRY_GRACE_MS });
    if (expired > 0) logger.warn('deliveries.expired', { deliveries: expired });
  }

  /** By what was read just now, so that no success is overlooked. */
  async function readAttempts(): Promise<void> {
    await reading.run(stopping.signal);
    await disableFailing({ pool, endpoints, disabler, logger, failingLimits });
  }

  return {
    start() {
      const every = (intervalMs: number, name: string, task: () => Promise<unknown>) =>
        runEvery(intervalMs, name, task, logger);
      const tasks = [
        every(PARTITIONS_EVERY_MS, 'partitions', keepPartitions),
        every(STATISTICS_EVERY_MS, 'statistics of partitions', keepStatistics),
        every(AUDIT_RETENTION_EVERY_MS, 'audit retention', removeOldAuditEntries),
        every(EXPIRY_EVERY_MS, 'expiry', () => expireHeld(pool)),
        every(EXPIRY_EVERY_MS, 'expiry of the parked', expireWhatIsParked),
        every(RECOVERY_EVERY_MS, 'recovery', () => recovery.resumeLeft()),
        every(RECONCILE_EVERY_MS, 'held deliveries', () => heldReconciler.run()),
        every(HELD_LIMIT_EVERY_MS, 'held limit', () => cancelHeldOverLimit({ pool, logger })),
        every(REPLAYS_EVERY_MS, 'replays', () => replays.run(stopping.signal)),
        every(NOTICES_EVERY_MS, 'telling notices', () => teller.run(stopping.signal)),
        every(ATTEMPTS_EVERY_MS, 'reading of attempts', readAttempts),
        every(ERASURES_EVERY_MS, 'erasures', () => finishErasures({ pool, queue, logger }, stopping.signal)),
        every(ANSWERS_EVERY_MS, 'idempotent answers', () => dropOldAnswers(pool, idempotencyWindowHours)),
        every(PORTAL_LINKS_EVERY_MS, 'portal links', () => portalLinks.removeExpired()),
        every(settings.sweepIntervalMs, 'sweep', () => sweep.run(stopping.signal)),
      ];
      stopTasks = () => Promise.all(tasks.map((task) => task.stop()));
    },
    async stop() {
      stopping.abort();
      await stopTasks();
      await acceptor.close();
    },
  };
}

function msUnlessZero(seconds: number): number | null {
  return seconds === 0 ? null : seconds * 1_000;
}

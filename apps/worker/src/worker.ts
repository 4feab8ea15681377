import {
  createAuditStore,
  dropOldAnswers,
  dropOldPartitions,
  ensurePartitions,
  expireHeldDeliveries,
  expireParkedDeliveries,
  type Database,
} from '@posthorn/database';
import {
  createDeliveryAttempter,
  createDeliverySettler,
  createEndpointHealthKeeper,
  createEndpointRecovery,
  createHeldReconciler,
  createReplayRunner,
  createSweep,
  heldForMs,
  keepHeldLimit,
  parkingMs,
  type EndpointCache,
} from '@posthorn/pipeline';
import { createDispatcher, createQueueProducer, type LaneLimits } from '@posthorn/queue';
import type { Logger } from '@posthorn/runtime';
import { createSender } from '@posthorn/sender';
import { randomUUID } from 'node:crypto';

import { runEvery } from './run-every.js';

const PARTITIONS_EVERY_MS = 300_000;
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
/** With a page of 50 per endpoint, at most some 100 deliveries a second of a replay to each. */
const REPLAYS_EVERY_MS = 500;
const BACKGROUND_COMMAND_TIMEOUT_MS = 10_000;
/** Left of a stop's time for what is closed after the dispatcher. */
const CLOSING_MS = 1_000;

export interface WorkerSettings {
  redisUrl: string;
  queuePrefix: string;
  allowTargets: readonly string[];
  dnsServers: readonly string[];
  timeoutMs: number;
  inFlightMax: number;
  customerInFlightMax: number;
  endpointInFlightMax: number;
  jobLockMs: number;
  stalledCheckMs: number;
  sweepIntervalMs: number;
  sweepGraceMs: number;
  retentionDays: number;
  auditRetentionDays: number;
  idempotencyWindowHours: number;
}

export interface WorkerDeps {
  database: Database;
  endpoints: EndpointCache;
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
export function createWorker({ database, endpoints, logger, settings }: WorkerDeps): Worker {
  const { pool, clock } = database;
  const heldMs = heldForMs(settings.retentionDays);
  const sender = createSender({
    allowTargets: settings.allowTargets,
    dnsServers: settings.dnsServers.length > 0 ? settings.dnsServers : undefined,
    timeoutMsDefault: settings.timeoutMs,
    logger,
  });
  const settler = createDeliverySettler({ pool, clock, logger, heldForMs: heldMs });
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
      pool,
      clock,
      endpoints,
      sender,
      settler,
      logger,
      timeoutMs: settings.timeoutMs,
      endpointMaxInFlight: settings.endpointInFlightMax,
      heldForMs: heldMs,
    }),
    laneLimits: (_customerId, endpointId) => laneLimits(endpoints, endpointId, settings),
    health: {
      load: (endpointId) => healthKeeper.load(endpointId),
      note: (kept, transition) => healthKeeper.note(kept, transition),
      drain: (endpoint, signal) => recovery.drain(endpoint, signal),
    },
    inFlightMax: settings.inFlightMax,
    jobLockMs: settings.jobLockMs,
    stalledIntervalMs: settings.stalledCheckMs,
  });
  const sweep = createSweep({
    pool,
    queue,
    logger,
    shard: settings.queuePrefix,
    graceMs: settings.sweepGraceMs,
    intervalMs: settings.sweepIntervalMs,
  });
  const audit = createAuditStore(database);
  const heldReconciler = createHeldReconciler({ pool, queue, logger, heldForMs: heldMs });
  const replays = createReplayRunner({ pool, queue, logger, heldForMs: heldMs });
  const stopping = new AbortController();
  let stopped = false;
  let stopTasks: () => Promise<unknown> = () => Promise.resolve();

  /** Makes the days ahead, drops those past their retention. */
  async function keepPartitions(): Promise<void> {
    const { retentionDays, idempotencyWindowHours } = settings;
    const nowMs = clock.nowMs();
    await ensurePartitions(pool, { nowMs });
    const { dropped, kept } = await dropOldPartitions(pool, { nowMs, retentionDays, idempotencyWindowHours });
    if (dropped.length > 0) logger.info('partitions.dropped', { partitions: dropped });
    if (kept.length > 0) logger.info('partitions.kept', { days: kept, reason: 'unfinished deliveries' });
  }

  async function removeOldAuditEntries(): Promise<void> {
    const beforeMs = clock.nowMs() - settings.auditRetentionDays * DAY_MS;
    while ((await audit.removeBefore(beforeMs)) > 0) if (stopping.signal.aborted) return;
  }
  const dropAnswers = () => dropOldAnswers(pool, settings.idempotencyWindowHours);

  async function expireParked(): Promise<void> {
    const expired = await expireParkedDeliveries(pool, {
      nowMs: clock.nowMs(),
      graceMs: EXPIRY_GRACE_MS,
      youngestMs: parkingMs,
    });
    if (expired > 0) logger.warn('deliveries.expired', { deliveries: expired });
  }

  return {
    start() {
      const tasks = [
        runEvery(PARTITIONS_EVERY_MS, 'partitions', keepPartitions, logger),
        runEvery(AUDIT_RETENTION_EVERY_MS, 'audit retention', removeOldAuditEntries, logger),
        runEvery(EXPIRY_EVERY_MS, 'expiry', () => expireHeldDeliveries(pool), logger),
        runEvery(EXPIRY_EVERY_MS, 'expiry of the parked', expireParked, logger),
        runEvery(RECOVERY_EVERY_MS, 'recovery', () => recovery.resumeLeft(), logger),
        runEvery(RECONCILE_EVERY_MS, 'held deliveries', () => heldReconciler.run(), logger),
        runEvery(HELD_LIMIT_EVERY_MS, 'held limit', () => keepHeldLimit({ pool, logger }), logger),
        runEvery(REPLAYS_EVERY_MS, 'replays', () => replays.run(stopping.signal), logger),
        runEvery(ANSWERS_EVERY_MS, 'idempotent answers', dropAnswers, logger),
        runEvery(settings.sweepIntervalMs, 'sweep', () => sweep.run(stopping.signal), logger),
      ];
      stopTasks = () => Promise.all(tasks.map((task) => task.stop()));
      dispatcher.start().then(
        () => logger.info('worker.claiming'),
        (error: unknown) => {
          if (!stopped) logger.error('worker.start_failed', { error });
        },
      );
    },
    async stop({ deadlineMs }) {
      stopped = true;
      stopping.abort();
      await Promise.all([
        dispatcher.stop({ deadlineMs: Math.max(deadlineMs / 2, deadlineMs - CLOSING_MS) }),
        stopTasks(),
      ]);
      await settler.idle();
      await healthKeeper.close();
      await queue.close();
      await sender.close();
    },
  };
}

async function laneLimits(
  endpoints: EndpointCache,
  endpointId: string,
  settings: WorkerSettings,
): Promise<LaneLimits> {
  const target = await endpoints.get(endpointId);
  const own = target?.kind === 'ready' ? target : undefined;
  return {
    customerRateLimit: own?.customer.rateLimit ?? null,
    endpointRateLimit: own?.rateLimit ?? null,
    healthEpoch: own?.healthEpoch ?? 0,
    customerMaxInFlight: own?.customer.maxInFlight ?? settings.customerInFlightMax,
    endpointMaxInFlight: own?.maxInFlight ?? settings.endpointInFlightMax,
  };
}

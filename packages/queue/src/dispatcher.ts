import { RedisConnection } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from '@posthorn/runtime';
import { createClockSkew } from './clock-skew.js';
import { withDefaults, type Dispatcher, type DispatcherOptions } from './dispatcher-options.js';
import { limitByCpuUse } from './flow-control/cpu-limit.js';
import { createInFlightSlots, type SlotHolder } from './flow-control/in-flight-slots.js';
import { LaneOpenings } from './flow-control/lane-openings.js';
import { createLoopMeter } from './flow-control/loop-meter.js';
import { createPaceStore } from './flow-control/pace-store.js';
import { SlowStartScheduler } from './flow-control/slow-start-scheduler.js';
import { createJobLocks } from './lanes/job-locks.js';
import { stopping } from './lanes/lane.js';
import { createClaimLoop } from './ready-index/claim-loop.js';
import { LeaseBalancer } from './ready-index/lease-balancer.js';
import { Leases } from './ready-index/leases.js';
import { createLoadMeter, measured } from './ready-index/load-meter.js';
import { ReadyIndex, ownerChannel, wakeChannel } from './ready-index/ready-index.js';
import { connectPatient, logConnection } from './redis-connections.js';
import { createRefusalLog } from './refusal-log.js';
import { repeatTask } from './repeated-task.js';
import { settledWithin } from './settled-within.js';

/**
 * Takes the customers that are due, one lease each, and runs a BullMQ Worker per busy lane of theirs, all over one
 * connection; a second one listens to announcements. However many customers and lanes there are, it stays at two.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const settings = withDefaults(options);
  const { redisUrl, workerId } = settings;
  const refusals = createRefusalLog({ logger: options.logger });
  const { logger } = refusals;
  let stopped = false;
  const redis = connectPatient(redisUrl, `posthorn:dispatcher:${workerId}`);
  const subscriber = connectPatient(redisUrl, `posthorn:announcements:${workerId}`, {
    autoResubscribe: false,
  });
  logConnection(redis, { name: 'commands', logger, until: () => stopped });
  logConnection(subscriber, { name: 'announcements', logger, until: () => stopped });
  const parts = createParts(settings, redis, logger);
  const { index, slots, locks, slowStart, leases, balancer, clockSkew, connection, counts } = parts;
  const ends: (() => void)[] = [];

  function repeat(everyMs: number, task: string, run: () => Promise<unknown>): void {
    const onError = (error: unknown) => {
      if (!stopped) logger.warn('queue.task_failed', { task, error });
    };
    ends.push(repeatTask(everyMs, run, onError));
  }

  return {
    async start() {
      await connection.client;
      await listen(subscriber, settings, parts, logger, () => stopped);
      redis.on('ready', () => void leases.renew().catch(() => undefined));
      // It writes with each run, whether there is something to deliver or not.
      const balance = () => balancer.run().then(refusals.noteWrite);
      balance().catch((error: unknown) => logger.warn('queue.task_failed', { task: 'balance', error }));
      repeat(settings.balanceMs, 'balance', balance);
      const utilization = createLoopMeter();
      repeat(cpuLimitEveryMs, 'cpu limit', () => {
        const customers = leases.all().map(({ flow }) => flow);
        limitByCpuUse(customers, utilization());
        return Promise.resolve();
      });
      repeat(settings.leaseMs / 3, 'renew', () => leases.renew());
      // A subscriber only listens: without a question it would never notice that the other end is gone.
      repeat(settings.leaseMs / 3, 'ping', () => subscriber.ping());
      repeat(Math.min(250, settings.idleReleaseMs / 4), 'release', () => leases.tick());
      repeat(settings.stalledIntervalMs, 'stalled check', () => leases.checkStalled());
    },

    async stop({ deadlineMs }) {
      if (stopped) return;
      stopped = true;
      await stopDelivering(parts, deadlineMs, logger);
      for (const end of ends) end();
      locks.close();
      slowStart.close();
      subscriber.disconnect();
      redis.disconnect();
    },

    stats: () => ({
      customers: leases.size,
      lanes: leases.all().reduce((sum, lease) => sum + lease.lanes.size, 0),
      inFlight: slots.total(),
      ...leases.counts,
      ...counts,
      handedOver: balancer.handedOver,
      locksLost: locks.lost(),
      clockSkewMs: clockSkew.ms(),
    }),

    async ping() {
      const sentAtMs = Date.now();
      clockSkew.note(sentAtMs, await index.nowMs(), Date.now());
    },
  };
}

type Settings = ReturnType<typeof withDefaults>;
type Parts = ReturnType<typeof createParts>;

function createParts(settings: Settings, redis: Redis, logger: Logger) {
  const { workerId, prefix, leaseMs, balanceMs, jobLockMs } = settings;
  const connection = new RedisConnection(redis, { shared: true, blocking: false });
  connection.on('error', () => undefined);
  const index = new ReadyIndex(redis, prefix);
  const slots = createInFlightSlots<SlotHolder>(settings.inFlightMax);
  const locks = createJobLocks({ lockMs: jobLockMs, logger });
  const slowStart = new SlowStartScheduler(createLoopMeter());
  const meter = createLoadMeter();
  const clockSkew = createClockSkew();
  const counts = { stalled: 0 };
  const context = {
    ...settings,
    redis,
    connection,
    handle: measured(meter, settings.handle),
    openings: new LaneOpenings(),
    countDelayed: (customerId: string) => index.countDelayed(customerId),
    paceStore: createPaceStore(redis, prefix),
    locks,
    slots,
    slowStart,
    logger,
    random: Math.random,
    counts,
  };
  const leases = new Leases({ workerId, leaseMs, index, context, logger });
  const aliveMs = Math.max(leaseMs, 3 * balanceMs);
  const balancer = new LeaseBalancer({
    workerId,
    index,
    leases,
    meter,
    everyMs: balanceMs,
    aliveMs,
    logger,
  });
  const claims = createClaimLoop({ workerId, leaseMs, index, leases, clockSkew, logger });
  return { connection, index, slots, locks, slowStart, leases, balancer, claims, clockSkew, counts };
}

/** Subscribes to announcements, now and after each time that the connection was away. */
async function listen(
  subscriber: Redis,
  { prefix, workerId }: Settings,
  { claims, leases, balancer }: Parts,
  logger: Logger,
  until: () => boolean,
): Promise<void> {
  const subscribe = async () => {
    await subscriber.subscribe(wakeChannel(prefix), ownerChannel(prefix, workerId));
    await leases.readLanes();
    claims.claimIn(0);
  };
  subscriber.on('message', (channel: string, message: string) => {
    if (until()) return;
    if (channel === wakeChannel(prefix)) claims.claimIn(Math.max(Number(message), balancer.claimDelayMs));
    else claims.onAnnouncements(message);
  });
  if (subscriber.status !== 'ready') await new Promise((resolve) => subscriber.once('ready', resolve));
  await subscribe();
  subscriber.on('ready', () => {
    subscribe().catch((error: unknown) => logger.warn('queue.subscribe_failed', { error }));
  });
}

/** Lets sends in flight end until the deadline, aborts the rest, and gives every lease back. */
async function stopDelivering(
  { claims, balancer, leases }: Parts,
  deadlineMs: number,
  logger: Logger,
): Promise<void> {
  const withdrawn = Promise.all([claims.stop(), balancer.stop()]).catch(() => undefined);
  const released = leases.endAll().catch((error: unknown) => logger.warn('queue.release_failed', { error }));
  // What follows may take as long as its graces: a stop that overran its deadline would be cut off by a kill.
  const graceMs = Math.min(abortGraceMs, Math.max(graceLeastMs, deadlineMs / 6));
  await settledWithin(released, Math.max(0, deadlineMs - 3 * graceMs));
  if (leases.size > 0) {
    for (const lease of leases.all()) lease.abortRunning(stopping);
    await settledWithin(released, graceMs);
  }
  // Jobs that did not even end when aborted: their customers come due when the jobs' locks end.
  await settledWithin(
    leases.releaseRest().catch(() => undefined),
    graceMs,
  );
  await settledWithin(withdrawn, graceMs);
}

const cpuLimitEveryMs = 500;
const abortGraceMs = 1000;
const graceLeastMs = 200;

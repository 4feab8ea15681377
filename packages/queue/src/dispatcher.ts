import { RedisConnection } from 'bullmq';
import { createClaimLoop } from './ready-index/claim-loop.js';
import { createClockSkew } from './clock-skew.js';
import { CustomerLease, keepMs, type LeaseContext } from './ready-index/customer-lease.js';
import type { Dispatcher, DispatcherOptions } from './dispatcher-options.js';
import { squeezeByCpu } from './flow-control/cpu-squeeze.js';
import { createInFlightSlots, type SlotHolder } from './flow-control/in-flight-slots.js';
import { createJobLocks } from './lanes/job-locks.js';
import { LaneGrowth } from './flow-control/lane-growth.js';
import { LaneOpenings } from './flow-control/lane-openings.js';
import { stopping } from './lanes/lane.js';
import { createLeaseBalancer } from './ready-index/lease-balancer.js';
import { createLoopMeter } from './flow-control/loop-meter.js';
import { defaultPrefix } from './prefix.js';
import {
  createReadyIndex,
  handOver,
  ownerChannel,
  wakeChannel,
  type ClaimedCustomer,
  type Offer,
} from './ready-index/ready-index.js';
import { connectPatient, logConnection } from './redis-connections.js';
import { createRefusalLog } from './refusal-log.js';
import { repeatTask } from './repeated-task.js';
import { settledWithin } from './settled-within.js';

/**
 * Takes the customers that are due, one lease each, and runs a BullMQ Worker per busy lane of theirs, all over one
 * connection; a second one listens to announcements. However many customers and lanes there are, it stays at two.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { redisUrl, workerId, handle, laneLimits, prefix = defaultPrefix } = options;
  const { inFlightMax = 10_000, jobLockMs = 30_000, stalledIntervalMs = 10_000, leaseMs = 10_000 } = options;
  const { idleReleaseMs = 3_000, limitsRefreshMs = 1_000, balanceMs = 1_000, health } = options;
  const refusals = createRefusalLog({ logger: options.logger });
  const { logger } = refusals;

  const redis = connectPatient(redisUrl, `posthorn:dispatcher:${workerId}`);
  const subscriber = connectPatient(redisUrl, `posthorn:announcements:${workerId}`, {
    autoResubscribe: false,
  });
  const connection = new RedisConnection(redis, { shared: true, blocking: false });
  const index = createReadyIndex(redis, prefix);
  const slots = createInFlightSlots<SlotHolder>(inFlightMax);
  const locks = createJobLocks({ lockMs: jobLockMs, logger });
  const growth = new LaneGrowth(createLoopMeter());
  const leases = new Map<string, CustomerLease>();
  const ends: (() => void)[] = [];
  const counts = { claimed: 0, released: 0, leasesLost: 0, stalled: 0 };
  const balancer = createLeaseBalancer({
    workerId,
    index,
    leases,
    release: (lease, offer) => release([lease], handOver, offer),
    everyMs: balanceMs,
    aliveMs: Math.max(leaseMs, 3 * balanceMs),
    logger,
  });
  const context: LeaseContext = {
    redis,
    connection,
    prefix,
    jobLockMs,
    handle: balancer.measured(handle),
    laneLimits,
    health,
    openings: new LaneOpenings(),
    idleReleaseMs,
    limitsRefreshMs,
    delayedMax: options.delayedMax,
    countDelayed: (customerId) => index.countDelayed(customerId),
    locks,
    slots,
    growth,
    logger,
    random: Math.random,
    onStalled: (jobs) => {
      counts.stalled += jobs;
      logger.warn('job.taken_over', { jobs });
    },
  };
  let stopped = false;
  const clockSkew = createClockSkew();

  const claims = createClaimLoop({
    workerId,
    leaseMs,
    index,
    leases,
    adopt,
    onRedisTime: clockSkew.note,
    logger,
  });

  function adopt(customer: ClaimedCustomer): CustomerLease {
    counts.claimed++;
    let lease = leases.get(customer.customerId);
    if (lease) lease.renewWith(customer.fence);
    else leases.set(customer.customerId, (lease = new CustomerLease(context, customer)));
    return lease;
  }

  async function subscribe(): Promise<void> {
    await subscriber.subscribe(wakeChannel(prefix), ownerChannel(prefix, workerId));
    // What was announced while nobody listened is read from the lanes themselves.
    const owned = [...leases.values()].filter((lease) => !lease.ended);
    for (const some of chunks(owned, scriptBatchMax)) {
      const lanes = await index.readLanes(some.map(({ customerId }) => customerId));
      some.forEach((lease, i) => lease.see(lanes[i] ?? []));
    }
    claims.claimIn(0);
  }

  async function renew(): Promise<void> {
    // Also while this process stops: until its last job has ended, a customer is nobody else's.
    const owned = [...leases.values()].filter((lease) => !lease.lost);
    for (const some of chunks(owned, scriptBatchMax)) {
      const asked = some.map(({ customerId, fence }) => ({ customerId, fence }));
      const lost = new Set(await index.renew(workerId, leaseMs, asked));
      for (const { customerId, fence } of asked) {
        const lease = leases.get(customerId);
        // A release under way ends by itself, and knows whose the customer was.
        if (!lost.has(customerId) || lease?.fence !== fence || lease.releasing || lease.lost) continue;
        counts.leasesLost++;
        logger.warn('lease.lost', { customer_id: customerId });
        drop(lease);
      }
    }
  }

  /** The customer is not ours any more: its lease is forgotten, at once when it is quiet. */
  function drop(lease: CustomerLease): void {
    void lease.lose().then(() => forgetLost(lease));
    forgetLost(lease);
  }

  function forgetLost(lease: CustomerLease): void {
    if (lease.lost && lease.quiet && leases.get(lease.customerId) === lease) leases.delete(lease.customerId);
  }

  async function tick(): Promise<void> {
    const nowMs = Date.now();
    const idle: CustomerLease[] = [];
    const closed: { lease: CustomerLease; customerId: string; lane: string }[] = [];
    for (const lease of leases.values()) {
      lease.tick(nowMs);
      // A lane may have been about to open when the lease was lost.
      if (lease.lost) forgetLost(lease);
      if (lease.ended) continue;
      if (lease.quiet) idle.push(lease);
      else for (const lane of lease.takeClosed()) closed.push({ lease, customerId: lease.customerId, lane });
    }
    for (const some of chunks(closed, scriptBatchMax)) {
      const due = await index.park(some).catch((error: unknown) => {
        // Whether they hold anything is not known: they open again, and see.
        for (const { lease, lane } of some) lease.announced(lane, 0);
        throw error;
      });
      some.forEach(({ lease, lane }, i) => {
        const dueInMs = due[i];
        if (typeof dueInMs === 'number') lease.announced(lane, dueInMs);
      });
    }
    for (const some of chunks(idle, scriptBatchMax)) {
      // Since they were found idle, a lane of theirs may have been opened by an announcement.
      const stillIdle = some.filter((lease) => lease.quiet && !lease.ended);
      if (stillIdle.length > 0) await release(stillIdle, keepMs);
    }
  }

  async function release(some: readonly CustomerLease[], keep: number, offer?: Offer): Promise<number> {
    const asked = some.map(({ customerId, fence }) => ({ customerId, fence }));
    for (const lease of some) lease.beginRelease();
    const results = await index.release(workerId, keep, asked, offer).catch((error: unknown) => {
      for (const lease of some) lease.keep([]);
      throw error;
    });
    some.forEach((lease, i) => {
      const result = results[i];
      if (result === 'released') counts.released++;
      // Claimed anew by us before this answer was looked at: the claim has read its lanes since.
      if (lease.fence !== asked[i]?.fence) return;
      if (typeof result === 'object') lease.keep(result.kept);
      else drop(lease);
    });
    return results.filter((result) => result === 'released').length;
  }

  /** It writes with each run, whether there is something to deliver or not. */
  async function balance(): Promise<void> {
    await balancer.run();
    refusals.noteWrite();
  }

  async function checkStalled(): Promise<void> {
    const open = [...leases.values()].flatMap((lease) => [...lease.lanes.values()]);
    for (const some of chunks(open, scriptBatchMax)) {
      const active = await index.countActive(some.map(({ name }) => name));
      // More than run here: some have lost their worker.
      some.forEach((lane, i) => {
        if ((active[i] ?? 0) > lane.inFlight) lane.checkStalled();
      });
    }
  }

  function repeat(everyMs: number, name: string, task: () => Promise<void>): void {
    ends.push(
      repeatTask(everyMs, task, (error) => {
        if (!stopped) logger.warn('queue.task_failed', { task: name, error });
      }),
    );
  }

  logConnection(redis, { name: 'commands', logger, until: () => stopped });
  logConnection(subscriber, { name: 'announcements', logger, until: () => stopped });
  connection.on('error', () => undefined);

  return {
    async start() {
      await connection.client;
      subscriber.on('message', (channel: string, message: string) => {
        if (stopped) return;
        if (channel === wakeChannel(prefix))
          claims.claimIn(Math.max(Number(message), balancer.claimDelayMs()));
        else claims.onAnnouncements(message);
      });
      if (subscriber.status !== 'ready') await new Promise((resolve) => subscriber.once('ready', resolve));
      await subscribe();
      const onReady = () => {
        subscribe().catch((error: unknown) => logger.warn('queue.subscribe_failed', { error }));
      };
      subscriber.on('ready', onReady);
      redis.on('ready', () => void renew().catch(() => undefined));
      balance().catch((error: unknown) => logger.warn('queue.task_failed', { task: 'balance', error }));
      repeat(balanceMs, 'balance', balance);
      const utilization = createLoopMeter();
      repeat(squeezeEveryMs, 'squeeze', () => {
        squeezeByCpu(leases.values(), utilization());
        return Promise.resolve();
      });
      repeat(leaseMs / 3, 'renew', renew);
      // A subscriber only listens: without a question it would never notice that the other end is gone.
      repeat(leaseMs / 3, 'ping', async () => {
        await subscriber.ping();
      });
      repeat(Math.min(250, idleReleaseMs / 4), 'release', tick);
      repeat(stalledIntervalMs, 'stalled check', checkStalled);
    },

    async stop({ deadlineMs }) {
      if (stopped) return;
      stopped = true;
      const withdrawn = Promise.all([claims.stop(), balancer.stop()]).catch(() => undefined);
      const all = [...leases.values()];
      const handedOver = Promise.all(
        all.map(async (lease) => {
          await lease.end();
          await release([lease], handOver);
        }),
      ).catch((error: unknown) => logger.warn('queue.release_failed', { error }));
      // What follows may take as long as its graces: a stop that overran its deadline would be cut off by a kill.
      const graceMs = Math.min(abortGraceMs, Math.max(graceLeastMs, deadlineMs / 6));
      await settledWithin(handedOver, Math.max(0, deadlineMs - 3 * graceMs));
      if (leases.size > 0) {
        for (const lease of leases.values()) lease.abortRunning(stopping);
        await settledWithin(handedOver, graceMs);
      }
      // Jobs that did not even end when aborted: their customers come due when the jobs' locks end.
      const left = chunks([...leases.values()], scriptBatchMax);
      await settledWithin(
        Promise.all(left.map((some) => release(some, handOver))).catch(() => undefined),
        graceMs,
      );
      await settledWithin(withdrawn, graceMs);
      for (const end of ends) end();
      locks.close();
      growth.close();
      subscriber.disconnect();
      redis.disconnect();
    },

    stats: () => ({
      customers: leases.size,
      lanes: [...leases.values()].reduce((sum, lease) => sum + lease.lanes.size, 0),
      inFlight: slots.total(),
      ...counts,
      handedOver: balancer.handedOver(),
      locksLost: locks.lost(),
      clockSkewMs: clockSkew.ms(),
    }),

    async ping() {
      const sentAtMs = Date.now();
      clockSkew.note(sentAtMs, await index.nowMs(), Date.now());
    },
  };
}

const scriptBatchMax = 200;
const squeezeEveryMs = 500;
const abortGraceMs = 1000;
const graceLeastMs = 200;

function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += size) parts.push(items.slice(from, from + size));
  return parts;
}

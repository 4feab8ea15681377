import type { Logger } from '@posthorn/runtime';
import type { CustomerLease } from './customer-lease.js';
import type { DispatcherOptions } from '../dispatcher-options.js';
import { isOverShare, planHandOvers, type HandOver } from './fair-share.js';
import { briefMsOf, createLoadMeter } from './load-meter.js';
import type { Offer, ReadyIndex } from './ready-index.js';
import { settledWithin } from '../settled-within.js';

export interface LeaseBalancerOptions {
  readonly workerId: string;
  readonly index: ReadyIndex;
  readonly leases: ReadonlyMap<string, CustomerLease>;
  /** Gives back a lease that has ended, the worker named having the first right to it; 0 when it was not ours any more. */
  readonly release: (lease: CustomerLease, offer: Offer) => Promise<number>;
  /** How often loads are compared. */
  readonly everyMs: number;
  /** How long a worker that does not report counts as alive. */
  readonly aliveMs: number;
  readonly logger: Logger;
}

/**
 * Evens out the load of the workers. Each reports what it carries; one with more than its share ends leases of customers
 * whose sends are brief, waits for the sends in flight, and offers them to workers with room. Between two rounds the
 * measurements settle.
 */
export function createLeaseBalancer(options: LeaseBalancerOptions) {
  const { workerId, index, leases, release, everyMs, aliveMs, logger } = options;
  const settleMs = 3 * everyMs;
  const meter = createLoadMeter();
  /** Customers whose sends did not end soon: they are left alone until then. */
  const stayUntilMs = new Map<string, number>();
  let nextRoundAtMs = 0;
  let over = false;
  let stopped = false;
  let handedOver = 0;

  async function run(): Promise<void> {
    const loads = meter.sample(Date.now());
    const own = loads.reduce((sum, { load }) => sum + load, 0);
    const workers = await index.reportLoad(workerId, own, aliveMs);
    over = workers.length > 1 && isOverShare(own, workers);
    const nowMs = Date.now();
    for (const [customerId, untilMs] of stayUntilMs) if (untilMs <= nowMs) stayUntilMs.delete(customerId);
    if (stopped || nowMs < nextRoundAtMs) return;
    const briefMs = briefMsOf(loads);
    const movable = loads.filter(
      ({ customerId, longestMs, measuredForMs }) =>
        longestMs < briefMs &&
        measuredForMs >= settleMs &&
        !stayUntilMs.has(customerId) &&
        isSteady(leases.get(customerId)),
    );
    const plan = planHandOvers(workerId, workers, movable);
    if (plan.length === 0) return;
    // Reports go on meanwhile: a worker that is silent counts as dead.
    nextRoundAtMs = Infinity;
    void round(plan, 2 * briefMs).then(() => {
      nextRoundAtMs = Date.now() + settleMs;
    });
  }

  async function round(plan: readonly HandOver[], drainMaxMs: number): Promise<void> {
    const before = handedOver;
    const left = [...plan];
    const atATime = Array.from({ length: Math.min(left.length, atATimeMax) }, async () => {
      for (let next = left.pop(); next && !stopped; next = left.pop()) await handOver(next, drainMaxMs);
    });
    await Promise.all(atATime);
    if (stopped) return;
    logger.info('lease.handed_over', {
      customers: handedOver - before,
      kept: plan.length - (handedOver - before),
      workers: new Set(plan.map(({ toWorkerId }) => toWorkerId)).size,
    });
  }

  async function handOver({ customerId, toWorkerId }: HandOver, drainMaxMs: number): Promise<void> {
    const lease = leases.get(customerId);
    if (!isSteady(lease)) return;
    const drained = await settledWithin(lease.end(), drainMaxMs);
    // A stop releases all leases itself, and a lost one is not ours to give.
    if (stopped || lease.lost) return;
    if (!drained) {
      stayUntilMs.set(customerId, Date.now() + stayMs);
      await takeBack(lease);
      return;
    }
    try {
      const released = await release(lease, { toWorkerId, forMs: offerMs });
      handedOver += released;
      meter.forget(customerId);
    } catch (error) {
      logger.warn('queue.hand_over_failed', { customer_id: customerId, error });
      await takeBack(lease);
    }
  }

  /** Goes on with a customer that was to be handed over; its lanes open again as soon as their sends have ended. */
  async function takeBack(lease: CustomerLease): Promise<void> {
    while (!stopped && !lease.lost) {
      lease.renewWith(lease.fence);
      try {
        const [lanes = []] = await index.readLanes([lease.customerId]);
        lease.see(lanes);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  return {
    /** The same handler, measured. */
    measured: (handle: DispatcherOptions['handle']): DispatcherOptions['handle'] => {
      return async (job, signal, untilTurn) => {
        const end = meter.begin(job.customerId, Date.now());
        try {
          return await handle(job, signal, untilTurn);
        } finally {
          end(Date.now());
        }
      };
    },
    run,
    /** How long to leave customers that came due to workers with more room. */
    claimDelayMs: () => (over ? yieldMs : 0),
    handedOver: () => handedOver,
    /** Nothing is handed over any more, and nothing is offered to this worker. */
    async stop(): Promise<void> {
      stopped = true;
      await index.withdrawLoad(workerId);
    },
  };
}

function isSteady(lease: CustomerLease | undefined): lease is CustomerLease {
  return lease !== undefined && !lease.ended && !lease.lost && !lease.releasing;
}

const atATimeMax = 50;
const stayMs = 60_000;
// A live worker claims within a few ms; one that died costs its customers this.
const offerMs = 500;
const retryMs = 500;
const yieldMs = 20;

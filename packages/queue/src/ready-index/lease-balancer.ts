import type { Logger } from '@posthorn/runtime';
import { settledWithin } from '../settled-within.js';
import type { CustomerLease } from './customer-lease.js';
import { isOverShare, planHandOvers, type HandOver } from './fair-share.js';
import type { Leases } from './leases.js';
import { briefMsOf, type LoadMeter } from './load-meter.js';
import type { ReadyIndex } from './ready-index.js';

export interface LeaseBalancerOptions {
  readonly workerId: string;
  readonly index: ReadyIndex;
  readonly leases: Leases;
  readonly meter: LoadMeter;
  /** How often loads are compared. */
  readonly everyMs: number;
  /** How long a worker that does not report counts as alive. */
  readonly aliveMs: number;
  readonly logger: Logger;
}

/**
 * Evens out the load of the workers. Each reports what it carries; one with more than its share ends leases of customers
 * whose sends are brief, waits for the sends in flight, and offers them to workers with room. Between two rounds the
 * measurements settle. Needed by lease-balancer.integration.test.ts ("give a newcomer its part at once").
 */
export class LeaseBalancer {
  handedOver = 0;
  readonly #options: LeaseBalancerOptions;
  readonly #settleMs: number;
  /** Customers whose sends did not end soon: they are left alone until then. */
  readonly #stayUntilMs = new Map<string, number>();
  #nextRoundAtMs = 0;
  #over = false;
  #stopped = false;

  constructor(options: LeaseBalancerOptions) {
    this.#options = options;
    this.#settleMs = 3 * options.everyMs;
  }

  /** How long to leave customers that came due to workers with more room. */
  get claimDelayMs(): number {
    return this.#over ? yieldMs : 0;
  }

  async run(): Promise<void> {
    const { workerId, index, meter, aliveMs } = this.#options;
    const loads = meter.sample(Date.now());
    const own = loads.reduce((sum, { load }) => sum + load, 0);
    const workers = await index.reportLoad(workerId, own, aliveMs);
    this.#over = workers.length > 1 && isOverShare(own, workers);
    const nowMs = Date.now();
    for (const [customerId, untilMs] of this.#stayUntilMs)
      if (untilMs <= nowMs) this.#stayUntilMs.delete(customerId);
    if (this.#stopped || nowMs < this.#nextRoundAtMs) return;
    const briefMs = briefMsOf(loads);
    const movable = loads.filter(
      ({ customerId, longestMs, measuredForMs }) =>
        longestMs < briefMs &&
        measuredForMs >= this.#settleMs &&
        !this.#stayUntilMs.has(customerId) &&
        this.#ownedLease(customerId),
    );
    const plan = planHandOvers(workerId, workers, movable);
    if (plan.length === 0) return;
    // Reports continue meanwhile: a worker that is silent counts as dead.
    this.#nextRoundAtMs = Infinity;
    void this.#round(plan, 2 * briefMs).then(() => {
      this.#nextRoundAtMs = Date.now() + this.#settleMs;
    });
  }

  /** Nothing is handed over any more, and nothing is offered to this worker. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#options.index.withdrawLoad(this.#options.workerId);
  }

  async #round(plan: readonly HandOver[], drainMaxMs: number): Promise<void> {
    const before = this.handedOver;
    const left = [...plan];
    const atATime = Array.from({ length: Math.min(left.length, atATimeMax) }, async () => {
      for (let next = left.pop(); next && !this.#stopped; next = left.pop())
        await this.#handOver(next, drainMaxMs);
    });
    await Promise.all(atATime);
    if (this.#stopped) return;
    const customers = this.handedOver - before;
    this.#options.logger.info('lease.handed_over', {
      customers,
      kept: plan.length - customers,
      workers: new Set(plan.map(({ toWorkerId }) => toWorkerId)).size,
    });
  }

  async #handOver({ customerId, toWorkerId }: HandOver, drainMaxMs: number): Promise<void> {
    const { leases, meter, logger } = this.#options;
    const lease = this.#ownedLease(customerId);
    if (!lease) return;
    const drained = await settledWithin(lease.end(), drainMaxMs);
    // A stop releases all leases itself, and a lost one is not ours to give.
    if (this.#stopped || lease.state === 'lost') return;
    if (!drained) {
      this.#stayUntilMs.set(customerId, Date.now() + stayMs);
      await this.#takeBack(lease);
      return;
    }
    try {
      const released = await leases.release([lease], 'always', { toWorkerId, forMs: offerMs });
      this.handedOver += released;
      meter.forget(customerId);
    } catch (error) {
      logger.warn('queue.hand_over_failed', { customer_id: customerId, error });
      await this.#takeBack(lease);
    }
  }

  /** The customer stays here; its lanes open again as soon as their sends have ended. */
  async #takeBack(lease: CustomerLease): Promise<void> {
    while (!this.#stopped && lease.state !== 'lost') {
      lease.renewWith(lease.fence);
      try {
        const [lanes = []] = await this.#options.index.readLanes([lease.customerId]);
        lease.applyLaneStates(lanes);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  #ownedLease(customerId: string): CustomerLease | undefined {
    const lease = this.#options.leases.get(customerId);
    return lease?.state === 'owned' ? lease : undefined;
  }
}

const atATimeMax = 50;
const stayMs = 60_000;
// A live worker claims within a few ms; one that died costs its customers this.
const offerMs = 500;
const retryMs = 500;
const yieldMs = 20;

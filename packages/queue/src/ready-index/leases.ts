import type { Logger } from '@posthorn/runtime';
import { CustomerLease, dueSoonMs, type LeaseContext } from './customer-lease.js';
import type { ClaimedCustomer, Offer, ReadyIndex, ReleaseMode } from './ready-index.js';

export interface LeasesOptions {
  readonly workerId: string;
  readonly leaseMs: number;
  readonly index: ReadyIndex;
  readonly context: LeaseContext;
  readonly logger: Logger;
}

/** The leases of this process: claims add to them, renewals and releases keep them true to Redis. */
export class Leases {
  readonly counts = { claimed: 0, released: 0, leasesLost: 0 };
  readonly #all = new Map<string, CustomerLease>();
  readonly #options: LeasesOptions;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  get(customerId: string): CustomerLease | undefined {
    return this.#all.get(customerId);
  }

  all(): CustomerLease[] {
    return [...this.#all.values()];
  }

  /** The lease of a customer that was just claimed. */
  adopt(customer: ClaimedCustomer): CustomerLease {
    this.counts.claimed++;
    let lease = this.#all.get(customer.customerId);
    if (lease) lease.renewWith(customer.fence);
    else this.#all.set(customer.customerId, (lease = new CustomerLease(this.#options.context, customer)));
    lease.applyLaneStates(customer.lanes);
    return lease;
  }

  /** For what was announced while no subscriber listened. */
  async readLanes(): Promise<void> {
    const active = this.all().filter((lease) => lease.isActive);
    for (const some of chunks(active)) {
      const lanes = await this.#options.index.readLanes(some.map(({ customerId }) => customerId));
      some.forEach((lease, i) => lease.applyLaneStates(lanes[i] ?? []));
    }
  }

  /** Also while this process stops: until its last job has ended, a customer is no other worker's. */
  async renew(): Promise<void> {
    const { index, workerId, leaseMs, logger } = this.#options;
    for (const some of chunks(this.all().filter(({ state }) => state !== 'lost'))) {
      const sent = some.map(({ customerId, fence }) => ({ customerId, fence }));
      const lost = new Set(await index.renew(workerId, leaseMs, sent));
      for (const { customerId, fence } of sent) {
        const lease = this.#all.get(customerId);
        if (!lost.has(customerId) || lease?.fence !== fence) continue;
        // A release under way ends by itself, and learns whose the customer was.
        if (lease.state === 'releasing' || lease.state === 'lost') continue;
        this.counts.leasesLost++;
        logger.warn('lease.lost', { customer_id: customerId });
        this.#drop(lease);
      }
    }
  }

  /** Opens and closes lanes, reads when those that have closed are due, and releases customers without work. */
  async tick(): Promise<void> {
    const nowMs = Date.now();
    const idle: CustomerLease[] = [];
    const closed: ClosedLane[] = [];
    for (const lease of this.#all.values()) {
      lease.tick(nowMs);
      // A lane may have been about to open when the lease was lost.
      if (lease.state === 'lost') this.#forgetLost(lease);
      if (!lease.isActive) continue;
      if (lease.isIdle) idle.push(lease);
      else for (const lane of lease.takeClosed()) closed.push({ lease, customerId: lease.customerId, lane });
    }
    await this.#closeLanes(closed);
    for (const some of chunks(idle)) {
      // Since they were found idle, an announcement may have opened a lane of theirs.
      const stillIdle = some.filter((lease) => lease.isIdle && lease.isActive);
      if (stillIdle.length > 0) await this.release(stillIdle, 'if-idle');
    }
  }

  /** Gives how many were released. With an offer, the worker named may claim them before the others. */
  async release(some: readonly CustomerLease[], mode: ReleaseMode, offer?: Offer): Promise<number> {
    const { index, workerId } = this.#options;
    const sent = some.map(({ customerId, fence }) => ({ customerId, fence }));
    for (const lease of some) lease.beginRelease();
    const results = await index
      .release(workerId, { mode, dueSoonMs, offer }, sent)
      .catch((error: unknown) => {
        for (const lease of some) lease.onReleaseRefused([]);
        throw error;
      });
    some.forEach((lease, i) => {
      const result = results[i];
      if (result === 'released') this.counts.released++;
      // Claimed again by us before this answer was looked at: the claim has read its lanes since.
      if (lease.fence !== sent[i]?.fence) return;
      if (typeof result === 'object') lease.onReleaseRefused(result.kept);
      else this.#drop(lease);
    });
    return results.filter((result) => result === 'released').length;
  }

  /** Releases all, each when its last job has ended. */
  async endAll(): Promise<void> {
    await Promise.all(
      this.all().map(async (lease) => {
        await lease.end();
        await this.release([lease], 'always');
      }),
    );
  }

  /** Releases what is left, whatever runs: those customers come due when the locks of their jobs end. */
  async releaseRest(): Promise<void> {
    await Promise.all(chunks(this.all()).map((some) => this.release(some, 'always')));
  }

  /** A lane with more active jobs than run here: some have lost their worker. */
  async checkStalled(): Promise<void> {
    const open = this.all().flatMap((lease) => [...lease.lanes.values()]);
    for (const some of chunks(open)) {
      const active = await this.#options.index.countActive(some.map(({ name }) => name));
      some.forEach((lane, i) => {
        if ((active[i] ?? 0) > lane.inFlight) lane.checkStalled();
      });
    }
  }

  async #closeLanes(closed: readonly ClosedLane[]): Promise<void> {
    for (const some of chunks(closed)) {
      const due = await this.#options.index.closeLanes(some).catch((error: unknown) => {
        // Whether they hold anything is not known: they open again, and look.
        for (const { lease, lane } of some) lease.onAnnouncement(lane, 0);
        throw error;
      });
      some.forEach(({ lease, lane }, i) => {
        const dueInMs = due[i];
        if (typeof dueInMs === 'number') lease.onAnnouncement(lane, dueInMs);
      });
    }
  }

  /** The customer is not ours any more: its lease is forgotten, at once when it is idle. */
  #drop(lease: CustomerLease): void {
    void lease.onLost().then(() => this.#forgetLost(lease));
    this.#forgetLost(lease);
  }

  #forgetLost(lease: CustomerLease): void {
    const { customerId } = lease;
    if (lease.state === 'lost' && lease.isIdle && this.#all.get(customerId) === lease)
      this.#all.delete(customerId);
  }
}

interface ClosedLane {
  readonly lease: CustomerLease;
  readonly customerId: string;
  readonly lane: string;
}

/** How many customers or lanes one script call takes. */
const scriptBatchMax = 200;

function chunks<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += scriptBatchMax)
    parts.push(items.slice(from, from + scriptBatchMax));
  return parts;
}

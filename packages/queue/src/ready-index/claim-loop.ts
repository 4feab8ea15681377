import type { Logger } from '@posthorn/runtime';
import type { ClockSkew } from '../clock-skew.js';
import { dueSoonMs } from './customer-lease.js';
import type { Leases } from './leases.js';
import type { ClaimedCustomer, ReadyIndex } from './ready-index.js';
import { createWakeLoop } from './wake-loop.js';

export interface ClaimLoopOptions {
  readonly workerId: string;
  readonly leaseMs: number;
  readonly index: ReadyIndex;
  readonly leases: Leases;
  readonly clockSkew: ClockSkew;
  readonly logger: Logger;
}

/** Claims the customers that are due or offered, and passes on to their leases what is announced to this worker. */
export function createClaimLoop(options: ClaimLoopOptions) {
  const { workerId, leaseMs, index, leases, clockSkew, logger } = options;
  // Announcements for customers whose claim is still on its way to us.
  const early = new Map<string, Map<string, number>>();
  /** Customers that another worker wants us to have. */
  const offered = new Set<string>();
  let stopped = false;

  const claims = createWakeLoop(async () => {
    try {
      const sentAtMs = Date.now();
      const claimed = await index.claim(workerId, { leaseMs, limit: claimMax, offered: takeOffered() });
      clockSkew.note(sentAtMs, claimed.redisNowMs, Date.now());
      if (stopped) {
        await giveBack(claimed.customers);
        return claimPollMs;
      }
      for (const customer of claimed.customers) {
        const lease = leases.adopt(customer);
        for (const [lane, dueInMs] of early.get(customer.customerId) ?? [])
          lease.onAnnouncement(lane, dueInMs);
      }
      if (claimed.customers.length >= claimMax || offered.size > 0) return 0;
      return Math.min(claimPollMs, (claimed.nextDueInMs ?? Infinity) + 1);
    } catch (error) {
      if (!stopped) logger.warn('queue.claim_failed', { error });
      return claimPollMs;
    } finally {
      early.clear();
    }
  });

  /** Answered only after the stop: what was leased by then has been released without them. */
  async function giveBack(customers: readonly ClaimedCustomer[]): Promise<void> {
    if (customers.length > 0) await index.release(workerId, { mode: 'always', dueSoonMs }, customers);
  }

  function takeOffered(): string[] {
    const some = [...offered].slice(0, claimMax);
    for (const customerId of some) offered.delete(customerId);
    return some.filter((customerId) => leases.get(customerId)?.isActive !== true);
  }

  return {
    claimIn: (delayMs: number) => claims.wakeIn(delayMs),

    /** A message of the owner channel. */
    onAnnouncements(message: string): void {
      for (const line of message.split('\n')) {
        const [lane = '', argument = ''] = line.split(' ');
        if (lane === 'offer') {
          offered.add(argument);
          claims.wakeIn(0);
          continue;
        }
        const dueInMs = Number(argument);
        const customerId = lane.slice(0, lane.indexOf('/'));
        leases.get(customerId)?.onAnnouncement(lane, dueInMs);
        if (!claims.isRunning()) continue;
        let lanes = early.get(customerId);
        if (!lanes) early.set(customerId, (lanes = new Map<string, number>()));
        lanes.set(lane, Math.min(lanes.get(lane) ?? Infinity, dueInMs));
      }
    },

    /** Claims nothing more; resolves when what a claim under way brings has been given back. */
    stop(): Promise<void> {
      stopped = true;
      return claims.stop();
    },
  };
}

const claimMax = 100;
// Wakes by pub/sub are the rule; this is for those that were lost.
const claimPollMs = 1000;

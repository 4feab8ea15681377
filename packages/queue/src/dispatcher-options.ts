import type { EndpointHealth, RateLimit, DeliveryRef } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import type { JobVerdict } from './delivery-job.js';
import { defaultPrefix } from './prefix.js';

/**
 * How many sends a customer and one of its endpoints may have in flight at once, over all workers together, and how often
 * they begin. What is left out of the customer's is not known: it stays as it is.
 */
export interface LaneLimits {
  /** 20 until it is known. */
  readonly customerMaxInFlight?: number;
  readonly endpointMaxInFlight: number;
  /** Starts of the customer's sends, all endpoints together. Null: none. */
  readonly customerRateLimit?: RateLimit | null;
  /** None by default. */
  readonly endpointRateLimit?: RateLimit | null;
  /** When it changes, the endpoint's health is that of a new one: breaker closed, nothing held against it. */
  readonly healthEpoch?: number;
}

export interface StoredHealth {
  readonly customerId: string;
  readonly endpointId: string;
  /** The `healthEpoch` it was seen under; stored health of another one says nothing. */
  readonly epoch: number;
  readonly health: EndpointHealth;
}

/** Where endpoints' health outlives a lease, so that the next owner does not begin by hammering. */
export interface HealthStore {
  /** Called when a lane opens for the first time under a lease; null when nothing is stored. */
  load(endpointId: string): Promise<Pick<StoredHealth, 'epoch' | 'health'> | null>;
  /** `transition`: more than the score has changed; it has to be stored at once. */
  save(health: StoredHealth, transition: boolean): void;
  /**
   * The endpoint has recovered: makes due what waits for a retry time. Resolves when there is no more of it; aborted when
   * the endpoint fails again or the customer is given up. Then the worker that next sees it recovered begins again.
   */
  drain(endpoint: { customerId: string; endpointId: string }, signal: AbortSignal): Promise<void>;
}

export interface DispatcherOptions {
  readonly redisUrl: string;
  /** Hash-tagged key prefix of the shard, `{ph:0}` by default. */
  readonly prefix?: string;
  /** Unique per process and start; it names the owner of a lease. */
  readonly workerId: string;
  readonly logger: Logger;
  /**
   * Does one job and says what becomes of it. `signal` aborts when the job's lock was lost (another worker may have
   * it already) or when a stop ran out of time; what is returned after that is ignored.
   * `waitForRateLimit` must be awaited right before something is sent, and what it rejects with thrown on. If the handler
   * throws anything else, the same job runs again after 1 to 5 s.
   */
  readonly handle: (
    job: DeliveryRef,
    signal: AbortSignal,
    waitForRateLimit: () => Promise<void>,
  ) => Promise<JobVerdict>;
  /**
   * Called when a lane opens and again every few seconds while it is open. When it rejects, a lane that has to open tries
   * again a second later, and an open one keeps the limits it has.
   */
  readonly laneLimits: (customerId: string, endpointId: string) => Promise<LaneLimits>;
  /** Without it, health is forgotten with the lease. */
  readonly health?: HealthStore;
  /** Sends in flight in this process; a customer's first send is never refused. Default 10,000. */
  readonly inFlightMax?: number;
  /** Default 30,000. */
  readonly jobLockMs?: number;
  /** Default 10,000. */
  readonly stalledIntervalMs?: number;
  /** How long a dead worker keeps its customers. Default 10,000. */
  readonly leaseMs?: number;
  /** How long a customer without work stays open. Default 3,000. */
  readonly idleReleaseMs?: number;
  /** How often the workers compare what they carry; three times as long passes between hand-overs. Default 1,000. */
  readonly balanceMs?: number;
  /** How often the limits of an open lane are read again. Default 1,000. */
  readonly limitsRefreshMs?: number;
  /**
   * Delayed jobs of one customer; beyond them a retry due in more than 15 minutes ends its job, and has to be enqueued
   * again in time by the caller. Default 10,000.
   */
  readonly delayedMax?: number;
}

/** The options, with the defaults for what was left out. */
export function withDefaults(options: DispatcherOptions) {
  const { prefix = defaultPrefix, inFlightMax = 10_000, jobLockMs = 30_000, leaseMs = 10_000 } = options;
  const { stalledIntervalMs = 10_000, idleReleaseMs = 3_000, balanceMs = 1_000 } = options;
  const { limitsRefreshMs = 1_000 } = options;
  const times = { jobLockMs, leaseMs, stalledIntervalMs, idleReleaseMs, balanceMs, limitsRefreshMs };
  return { ...options, ...times, prefix, inFlightMax };
}

export interface DispatcherStats {
  readonly customers: number;
  readonly lanes: number;
  readonly inFlight: number;
  readonly claimed: number;
  readonly released: number;
  /** Of the released: those given to a worker that carried less. */
  readonly handedOver: number;
  readonly leasesLost: number;
  readonly locksLost: number;
  readonly stalled: number;
  /** This process's clock minus Redis's, as last measured; null before the first measurement. */
  readonly clockSkewMs: number | null;
}

export interface Dispatcher {
  /** Resolves once connected and claiming. */
  start(): Promise<void>;
  /** Takes nothing new, lets sends in flight end until the deadline, aborts the rest, hands every lease over. */
  stop(options: { deadlineMs: number }): Promise<void>;
  stats(): DispatcherStats;
  /** Rejects when Redis does not answer. */
  ping(): Promise<void>;
}

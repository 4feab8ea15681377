import type { DeliveryRef } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import type { DeliveryJob } from './delivery-job.js';
import type { LossMarker } from './ready-index/loss-marker.js';

export interface QueueProducerOptions {
  readonly redisUrl: string;
  /** Hash-tagged key prefix of the shard, `{ph:0}` by default. */
  readonly prefix?: string;
  readonly logger: Logger;
  /**
   * A command fails at once while Redis is away, and after this time when it does not answer. 500 by default,
   * so that accepting events never waits for Redis; work in the background can be more patient.
   */
  readonly commandTimeoutMs?: number;
}

export interface JobStates {
  /** Jobs that the queue does not know. */
  readonly missing: DeliveryJob[];
  /** Jobs that are delayed until later than now. */
  readonly delayed: DeliveryJob[];
}

export interface QueueProducer {
  /**
   * Adds the jobs and announces their customers. Adding a job that exists changes nothing.
   * Rejects fast when Redis is away: some of the jobs may have been added all the same.
   */
  enqueue(jobs: readonly DeliveryJob[]): Promise<void>;
  /** Announces lanes whose jobs are there already: for the sweep, when an earlier announcement may have been lost. */
  announce(jobs: readonly DeliveryJob[]): Promise<void>;
  /** In one script call per 1,000 jobs. */
  jobStates(jobs: readonly DeliveryJob[]): Promise<JobStates>;
  /** Makes delayed jobs due now and adds those that the queue does not know; a job that waits or runs is left alone. */
  makeDueNow(jobs: readonly DeliveryJob[]): Promise<void>;
  /** How many jobs of an endpoint's lane wait to be fetched. */
  waiting(endpoint: Pick<DeliveryRef, 'customerId' | 'endpointId'>): Promise<number>;
  /**
   * Removes whatever the queue holds of a customer, also what is being sent. Its events have to be gone: what comes after
   * that finds nothing to send.
   */
  eraseCustomer(customerId: string): Promise<void>;
  /** For the sweep: whether Redis may have lost jobs since the marker was left there. */
  renewLossMarker: LossMarker['renew'];
  status(): 'ready' | 'down';
  /** Rejects when Redis does not answer. `clockSkewMs`: how far this process's clock is ahead of Redis's. */
  ping(): Promise<{ clockSkewMs: number }>;
  /**
   * Tries a write that changes nothing: why Redis does not take it, in one sentence without addresses, or null. Rejects
   * when Redis does not answer.
   */
  writeProblem(): Promise<string | null>;
  close(): Promise<void>;
}

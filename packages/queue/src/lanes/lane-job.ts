import type { JobsOptions } from 'bullmq';
import type { DeliveryRef } from '@posthorn/domain';

export interface LaneJobData {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly endpointId: string;
  readonly generation: number;
}

export const laneJobName = 'delivery';

/**
 * Postgres alone counts attempts and a job never ends by itself: attempts are practically unlimited, and neither completed
 * nor failed jobs are kept, because a kept job would swallow the sweep's re-add of the same id. Without a stack trace limit
 * each retry would grow the job.
 */
export const laneJobOptions = {
  attempts: 1_000_000_000,
  backoff: { type: 'custom' },
  removeOnComplete: true,
  removeOnFail: true,
  stackTraceLimit: 0,
} as const satisfies JobsOptions;

/** Adding the same delivery and generation twice is harmless: the id is the same. */
export function laneJobId({
  deliveryId,
  generation,
}: Pick<DeliveryRef, 'deliveryId' | 'generation'>): string {
  return `${deliveryId}-${generation}`;
}

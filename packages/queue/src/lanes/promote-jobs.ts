import type { RedisQueueBackend } from 'bullmq';
import type { DeliveryJob } from '../delivery-job.js';
import { laneJobId } from './lane-job.js';

/** Makes delayed jobs of lanes wait to be fetched now, by BullMQ's own script. One that is not delayed any more is left alone. */
export async function promoteJobs(
  backend: RedisQueueBackend,
  prefix: string,
  jobs: readonly (DeliveryJob & { readonly lane: string })[],
): Promise<void> {
  const lanes = new Map<string, Pick<RedisQueueBackend, 'promote'>>();
  await Promise.all(
    jobs.map(async (job) => {
      const ofLane = lanes.get(job.lane) ?? backend.forQueue(job.lane, prefix);
      lanes.set(job.lane, ofLane);
      try {
        await ofLane.promote(laneJobId(job));
      } catch (error) {
        if ((error as { code?: unknown }).code !== jobNotDelayed) throw error;
      }
    }),
  );
}

const jobNotDelayed = -3;

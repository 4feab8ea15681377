import { redisRefusal } from '@posthorn/runtime';
import { QueueKeys } from 'bullmq';
import { createClockSkew } from './clock-skew.js';
import type { DeliveryJob } from './delivery-job.js';
import { createJobAdder, type JobToAdd } from './lanes/job-adder.js';
import { laneJobId } from './lanes/lane-job.js';
import { laneName } from './lanes/lane-name.js';
import { createLossMarker } from './ready-index/loss-marker.js';
import { defaultPrefix } from './prefix.js';
import type { QueueProducer, QueueProducerOptions } from './queue-producer-options.js';
import { promoteJobs } from './lanes/promote-jobs.js';
import { createReadyIndex, type Announcement } from './ready-index/ready-index.js';
import { connectFailFast } from './redis-connections.js';

/**
 * Adds delivery jobs to their lanes and announces them. All jobs of a call and their announcement leave in one write and
 * cost one round trip, however many lanes they go to (see job-adder.ts).
 */
export function createQueueProducer(options: QueueProducerOptions): QueueProducer {
  const { redisUrl, prefix = defaultPrefix, logger, commandTimeoutMs = 500 } = options;
  const redis = connectFailFast(redisUrl, connectionName, commandTimeoutMs);
  const index = createReadyIndex(redis, prefix);
  const lossMarker = createLossMarker(redis, prefix);
  const adder = createJobAdder(redis, prefix);
  const lanes = createLaneCache(prefix);
  const clockSkew = createClockSkew();
  let down = false;

  redis.on('error', (error: Error) => {
    if (!down) logger.warn('queue.producer_down', { error });
    down = true;
  });
  redis.on('ready', () => {
    if (down) logger.info('queue.producer_ready');
    down = false;
  });

  /** One write for what `send` issues: without it each command would be a system call of its own. */
  async function inOneWrite(send: () => Promise<unknown>[]): Promise<void> {
    const socket = redis.status === 'ready' ? redis.stream : undefined;
    socket?.cork();
    let replies: Promise<unknown>[];
    try {
      replies = send();
    } finally {
      socket?.uncork();
    }
    for (const reply of await Promise.allSettled(replies)) {
      if (reply.status === 'fulfilled') continue;
      // A connection that stays silent is not waited for again: until a new one is ready, calls are refused at once.
      if (isTimeout(reply.reason)) redis.stream.destroy();
      throw reply.reason;
    }
  }

  function announcementsOf(jobs: readonly DeliveryJob[]): Announcement[] {
    const customers = new Map<string, Map<string, number>>();
    for (const job of jobs) {
      let due = customers.get(job.customerId);
      if (!due) customers.set(job.customerId, (due = new Map<string, number>()));
      const { lane } = lanes.of(job);
      due.set(lane, Math.min(due.get(lane) ?? Infinity, job.delayMs));
    }
    return Array.from(customers, ([customerId, due]) => ({ customerId, lanes: due }));
  }

  return {
    async enqueue(jobs) {
      for (let from = 0; from < jobs.length; from += jobsPerCall) {
        const some = jobs.slice(from, from + jobsPerCall);
        const nowMs = Date.now();
        await inOneWrite(() => [
          ...adder.add(
            some.map((job): JobToAdd => ({ job, keys: lanes.of(job).keys })),
            nowMs,
          ),
          index.announce(announcementsOf(some)),
        ]);
      }
    },
    async announce(jobs) {
      for (let from = 0; from < jobs.length; from += jobsPerCall) {
        await index.announce(announcementsOf(jobs.slice(from, from + jobsPerCall)));
      }
    },
    async missing(jobs) {
      return (await this.look(jobs)).missing;
    },
    async look(jobs) {
      const missing: DeliveryJob[] = [];
      const delayed: DeliveryJob[] = [];
      for (let from = 0; from < jobs.length; from += jobsPerCall) {
        const some = jobs.slice(from, from + jobsPerCall);
        const states = await index.existing(
          some.map((job) => ({ lane: lanes.of(job).lane, jobId: laneJobId(job) })),
        );
        missing.push(...some.filter((_, i) => states[i] === 'missing'));
        delayed.push(...some.filter((_, i) => states[i] === 'delayed'));
      }
      return { missing, delayed };
    },
    async bringForward(jobs) {
      const { missing, delayed } = await this.look(jobs);
      await promoteJobs(
        adder.backend,
        prefix,
        delayed.map((job) => ({ ...job, lane: lanes.of(job).lane })),
      );
      await this.enqueue(missing);
      await this.announce(jobs);
    },
    async eraseCustomer(customerId) {
      while (await index.eraseCustomer(customerId, jobsPerCall));
    },
    waiting: (endpoint) => redis.llen(lanes.of(endpoint).keys['wait'] ?? ''),
    renewLossMarker: (known) => lossMarker.renew(known),
    status: () => (redis.status === 'ready' ? 'ready' : 'down'),
    async ping() {
      const sentAtMs = Date.now();
      clockSkew.note(sentAtMs, await index.nowMs(), Date.now());
      return { clockSkewMs: clockSkew.ms() ?? 0 };
    },
    async writeProblem() {
      try {
        // Refused like every write that needs memory; without a value it makes no key.
        await redis.setrange(`${prefix}:write-check`, 0, '');
        return null;
      } catch (error) {
        const refusal = redisRefusal(error);
        if (refusal) return refusal.problem;
        throw error;
      }
    },
    async close() {
      if (redis.status === 'ready') await redis.quit().catch(() => undefined);
      redis.disconnect();
    },
  };
}

const connectionName = 'posthorn:producer';
// One call holds Redis for some 30 µs per job; between calls others get their turn.
const jobsPerCall = 1000;
const lanesCachedMax = 5000;

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}

/** A lane's name and BullMQ keys; the least recently used are dropped, so that a million endpoints take no memory. */
function createLaneCache(prefix: string) {
  const queueKeys = new QueueKeys(prefix);
  const cached = new Map<string, { lane: string; keys: Record<string, string> }>();
  return {
    of({ customerId, endpointId }: Pick<DeliveryJob, 'customerId' | 'endpointId'>) {
      const id = `${customerId}/${endpointId}`;
      let entry = cached.get(id);
      if (entry) {
        cached.delete(id);
      } else {
        const lane = laneName(customerId, endpointId);
        entry = { lane, keys: queueKeys.getKeys(lane) };
        const oldest = cached.size < lanesCachedMax ? undefined : cached.keys().next().value;
        if (oldest !== undefined) cached.delete(oldest);
      }
      cached.set(id, entry);
      return entry;
    },
  };
}

import { redisRefusal, type Logger } from '@posthorn/runtime';
import type { Redis } from 'ioredis';
import { createClockSkew } from './clock-skew.js';
import type { DeliveryJob } from './delivery-job.js';
import { createJobAdder } from './lanes/job-adder.js';
import { createLaneCache, type LaneCache } from './lanes/lane-cache.js';
import { laneJobId } from './lanes/lane-job.js';
import { promoteJobs } from './lanes/promote-jobs.js';
import { defaultPrefix } from './prefix.js';
import type { JobStates, QueueProducer, QueueProducerOptions } from './queue-producer-options.js';
import { createLossMarker } from './ready-index/loss-marker.js';
import { ReadyIndex, type Announcement } from './ready-index/ready-index.js';
import { connectFailFast } from './redis-connections.js';

/**
 * Adds delivery jobs to their lanes and announces them. All jobs of a call and their announcement leave in one write and
 * cost one round trip, however many lanes they go to (see job-adder.ts).
 */
export function createQueueProducer(options: QueueProducerOptions): QueueProducer {
  const { redisUrl, prefix = defaultPrefix, logger, commandTimeoutMs = 500 } = options;
  const redis = connectFailFast(redisUrl, connectionName, commandTimeoutMs);
  logOutages(redis, logger);
  const index = new ReadyIndex(redis, prefix);
  const lossMarker = createLossMarker(redis, prefix);
  const adder = createJobAdder(redis, prefix);
  const laneOf = createLaneCache(prefix);
  const clockSkew = createClockSkew();

  async function enqueue(jobs: readonly DeliveryJob[]): Promise<void> {
    for (const some of batches(jobs)) {
      const toAdd = some.map((job) => ({ job, keys: laneOf(job).keys }));
      await inOneWrite(redis, () => [
        ...adder.add(toAdd, Date.now()),
        index.announce(announcementsOf(some, laneOf)),
      ]);
    }
  }

  async function announce(jobs: readonly DeliveryJob[]): Promise<void> {
    for (const some of batches(jobs)) await index.announce(announcementsOf(some, laneOf));
  }

  return {
    enqueue,
    announce,
    jobStates: (jobs) => readJobStates(index, jobs, laneOf),
    async makeDueNow(jobs) {
      const { missing, delayed } = await readJobStates(index, jobs, laneOf);
      const inLanes = delayed.map((job) => ({ ...job, lane: laneOf(job).lane }));
      await promoteJobs(adder.backend, prefix, inLanes);
      await enqueue(missing);
      await announce(jobs);
    },
    async eraseCustomer(customerId) {
      while (await index.eraseCustomer(customerId, jobsPerCall));
    },
    waiting: (endpoint) => redis.llen(laneOf(endpoint).keys['wait'] ?? ''),
    renewLossMarker: (known) => lossMarker.renew(known),
    status: () => (redis.status === 'ready' ? 'ready' : 'down'),
    async ping() {
      const sentAtMs = Date.now();
      clockSkew.note(sentAtMs, await index.nowMs(), Date.now());
      return { clockSkewMs: clockSkew.ms() ?? 0 };
    },
    writeProblem: () => writeProblem(redis, prefix),
    async close() {
      if (redis.status === 'ready') await redis.quit().catch(() => undefined);
      redis.disconnect();
    },
  };
}

const connectionName = 'posthorn:producer';
// One call holds Redis for some 30 µs per job; between calls Redis serves others.
const jobsPerCall = 1000;

function* batches(jobs: readonly DeliveryJob[]): Generator<readonly DeliveryJob[]> {
  for (let from = 0; from < jobs.length; from += jobsPerCall) yield jobs.slice(from, from + jobsPerCall);
}

function logOutages(redis: Redis, logger: Logger): void {
  let down = false;
  redis.on('error', (error: Error) => {
    if (!down) logger.warn('queue.producer_down', { error });
    down = true;
  });
  redis.on('ready', () => {
    if (down) logger.info('queue.producer_ready');
    down = false;
  });
}

/** One write for what `send` issues: without it each command would be a system call of its own. */
async function inOneWrite(redis: Redis, send: () => Promise<unknown>[]): Promise<void> {
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

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}

function announcementsOf(jobs: readonly DeliveryJob[], laneOf: LaneCache): Announcement[] {
  const customers = new Map<string, Map<string, number>>();
  for (const job of jobs) {
    let due = customers.get(job.customerId);
    if (!due) customers.set(job.customerId, (due = new Map<string, number>()));
    const { lane } = laneOf(job);
    due.set(lane, Math.min(due.get(lane) ?? Infinity, job.delayMs ?? 0));
  }
  return Array.from(customers, ([customerId, due]) => ({ customerId, lanes: due }));
}

async function readJobStates(
  index: ReadyIndex,
  jobs: readonly DeliveryJob[],
  laneOf: LaneCache,
): Promise<JobStates> {
  const missing: DeliveryJob[] = [];
  const delayed: DeliveryJob[] = [];
  for (const some of batches(jobs)) {
    const states = await index.existing(
      some.map((job) => ({ lane: laneOf(job).lane, jobId: laneJobId(job) })),
    );
    missing.push(...some.filter((_, i) => states[i] === 'missing'));
    delayed.push(...some.filter((_, i) => states[i] === 'delayed'));
  }
  return { missing, delayed };
}

async function writeProblem(redis: Redis, prefix: string): Promise<string | null> {
  try {
    // Refused like every write that needs memory; without a value it makes no key.
    await redis.setrange(`${prefix}:write-check`, 0, '');
    return null;
  } catch (error) {
    const refusal = redisRefusal(error);
    if (refusal) return refusal.problem;
    throw error;
  }
}

import {
  createIORedisClient,
  QueueKeys,
  RedisConnection,
  RedisQueueBackend,
  type JobJson,
  type KeyPrefixOptions,
  type QueueBaseOptions,
} from 'bullmq';
import type { Redis } from 'ioredis';
import type { DeliveryRef } from '@posthorn/domain';
import type { DeliveryJob } from '../delivery-job.js';
import { laneJobId, laneJobName, laneJobOptions, type LaneJobData } from './lane-job.js';
import { addJobs } from './lua/add-jobs.js';
import { defineScript, type ScriptArgument } from '../script.js';

/** A job and the keys of its lane, as BullMQ names them. */
export interface JobToAdd {
  readonly job: DeliveryJob;
  readonly keys: Record<string, string>;
}

export interface JobAdder {
  /** BullMQ's adding half over our connection, for what is not done in bulk. */
  readonly backend: RedisQueueBackend;
  /**
   * Sends what adds the jobs; the promises are Redis's answers. Adding a job that exists changes nothing. Those that are due
   * at once go together, 100 to a call: called one by one through BullMQ, its script costs this process more to address and
   * to hear from than Redis to run (measured with 16 jobs for as many lanes: 60 µs of CPU each, 9 together).
   */
  add(jobs: readonly JobToAdd[], nowMs: number): Promise<unknown>[];
}

/** Must not wait for Redis: nothing of BullMQ's that awaits its client is called. Everything is BullMQ's own scripts. */
export function createJobAdder(redis: Redis, prefix: string): JobAdder {
  const bullScript = captureScript(redis, 'addStandardJob');
  const backend = addingBackend(redis, prefix);
  const client = createIORedisClient(redis);
  let addTogether: ((args: readonly ScriptArgument[]) => Promise<unknown>) | undefined;

  function addOne({ job, keys }: JobToAdd, delayMs: number, nowMs: number): Promise<unknown> {
    const json: JobJson = {
      ...emptyJob,
      id: laneJobId(job),
      data: dataOf(job),
      opts: { ...laneJobOptions, delay: Math.ceil(delayMs) },
      timestamp: nowMs,
    };
    return backend.addJobToTransaction(client, json, json.id, {}, keys);
  }

  async function addSome(jobs: readonly JobToAdd[], nowMs: number): Promise<void> {
    addTogether ??= defineScript(redis, 'posthorn:addJobs', 1, addJobs(bullScript()));
    const args: ScriptArgument[] = [jobs[0]?.keys['wait'] ?? '', optionsJson, nowMs, laneJobName];
    for (const { job, keys } of jobs) args.push(keys[''] ?? '', laneJobId(job), dataOf(job));
    const replies = (await addTogether(args)) as (string | number)[];
    const refusal = replies.find((reply) => typeof reply === 'number' && reply < 0);
    if (refusal !== undefined) throw new Error(`BullMQ refused a job with code ${refusal}`);
  }

  return {
    backend,
    add(jobs, nowMs) {
      const sent: Promise<unknown>[] = [];
      let dueNow: JobToAdd[] = [];
      for (const job of jobs) {
        const { delayMs = 0 } = job.job;
        if (delayMs > 0) sent.push(addOne(job, delayMs, nowMs));
        else if (dueNow.push(job) === JOBS_PER_SCRIPT) {
          sent.push(addSome(dueNow, nowMs));
          dueNow = [];
        }
      }
      if (dueNow.length > 0) sent.push(addSome(dueNow, nowMs));
      return sent;
    },
  };
}

/** Redis does nothing else while a script runs, some 20 µs for each job. */
const JOBS_PER_SCRIPT = 100;

const optionsJson = JSON.stringify(laneJobOptions);

const emptyJob = {
  name: laneJobName,
  progress: 0,
  attemptsMade: 0,
  attemptsStarted: 0,
  failedReason: '',
  returnvalue: '',
  stalledCounter: 0,
} as const;

function dataOf({ deliveryId, eventId, endpointId, generation }: DeliveryRef): string {
  return JSON.stringify({ deliveryId, eventId, endpointId, generation } satisfies LaneJobData);
}

/** The text of a script that BullMQ is about to register on the connection. */
function captureScript(redis: Redis, script: string): () => string {
  const define = redis.defineCommand.bind(redis);
  let text: string | undefined;
  redis.defineCommand = (name, definition) => {
    if (name.startsWith(`${script}:`)) text = definition.lua;
    define(name, definition);
  };
  return () => {
    if (text === undefined) throw new Error(`BullMQ has not registered ${script}`);
    return text;
  };
}

function addingBackend(redis: Redis, prefix: string): RedisQueueBackend {
  const connection = new RedisConnection(redis, {
    shared: true,
    blocking: false,
    skipVersionCheck: true,
    skipWaitingForReady: true,
  });
  const keys = new QueueKeys(prefix);
  const options: QueueBaseOptions & KeyPrefixOptions = { connection: redis, prefix };
  const backend = new RedisQueueBackend(
    connection,
    'producer',
    keys.getKeys('producer'),
    (type) => keys.toKey('producer', type),
    options,
  );
  backend.on('error', () => undefined);
  return backend;
}

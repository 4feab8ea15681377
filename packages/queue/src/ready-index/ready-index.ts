import type { Redis } from 'ioredis';
import type { WorkerLoad } from './fair-share.js';
import { announce } from './lua/announce.js';
import { claim } from './lua/claim.js';
import { countActive } from './lua/count-active.js';
import { countDelayed } from './lua/count-delayed.js';
import { eraseCustomer } from './lua/erase-customer.js';
import { existingJobs } from './lua/existing-jobs.js';
import { liveLanes } from './lua/live-lanes.js';
import { closeLanes } from './lua/close-lanes.js';
import { readLanes } from './lua/read-lanes.js';
import { release } from './lua/release.js';
import { renew } from './lua/renew.js';
import { reportLoad, withdrawLoad } from './lua/report-load.js';
import { defineScript, type ScriptArgument } from '../script.js';

/** What BullMQ's keys said about a lane when a script read them. */
export interface LaneState {
  readonly lane: string;
  /** 0: something is due now. */
  readonly dueInMs: number;
  readonly active: number;
}

export interface Lease {
  readonly customerId: string;
  /** Grows with every claim of the customer; a script with an older one changes nothing. */
  readonly fence: string;
}

export interface ClaimedCustomer extends Lease {
  readonly lanes: readonly LaneState[];
}

/** Lanes of one customer, each with the ms until its job is due. */
export interface Announcement {
  readonly customerId: string;
  readonly lanes: ReadonlyMap<string, number>;
}

/** A released customer is one worker's to claim for some time, then any worker's. */
export interface Offer {
  readonly toWorkerId: string;
  readonly forMs: number;
}

/** `if-idle`: customers with something due soon stay leased. `always`: none does. */
export type ReleaseMode = 'if-idle' | 'always';

export interface ReleaseOptions {
  readonly mode: ReleaseMode;
  /** What counts as soon. */
  readonly dueSoonMs: number;
  readonly offer?: Offer | undefined;
}

export type ReleaseResult = 'released' | 'not ours' | { readonly kept: readonly LaneState[] };

export type JobState = 'missing' | 'there' | 'delayed';

/** Where announcements of customers without an owner go; the message is the ms until the first is due. */
export function wakeChannel(prefix: string): string {
  return `${prefix}:index:wake`;
}

/** Where announcements to an owner go: lines of lane name and ms until due, or `offer` and a customer id. */
export function ownerChannel(prefix: string, workerId: string): string {
  return `${prefix}:index:owner:${workerId}`;
}

/**
 * The ready index of one shard: which customers have something due, and who owns them meanwhile. Every method is one
 * script call (`claim` and the others that take many should be given some hundred at most: Redis does nothing else
 * while a script runs).
 */
export class ReadyIndex {
  readonly #redis: Redis;
  readonly #scripts: ReturnType<typeof defineScripts>;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#scripts = defineScripts(redis, prefix);
  }

  async announce(announcements: readonly Announcement[]): Promise<number> {
    const args: ScriptArgument[] = [laneEventsMax];
    for (const { customerId, lanes } of announcements) {
      args.push(customerId, lanes.size);
      for (const [lane, dueInMs] of lanes) args.push(lane, Math.max(0, Math.round(dueInMs)));
    }
    return (await this.#scripts.announce(args)) as number;
  }

  /**
   * The customers that are due, now leased to `workerId`, and the ms until the next one is due (null: none). `offered`
   * are customers that were offered to this worker; they do not count towards the limit.
   */
  async claim(
    workerId: string,
    { leaseMs, limit, offered = [] }: { leaseMs: number; limit: number; offered?: readonly string[] },
  ): Promise<{ customers: ClaimedCustomer[]; nextDueInMs: number | null; redisNowMs: number }> {
    const [redisNowMs, nextDueInMs, ...claimed] = (await this.#scripts.claim([
      workerId,
      leaseMs,
      limit,
      ...offered,
    ])) as [number, number | null, ...[string, string, LaneStateReply][]];
    return {
      redisNowMs,
      nextDueInMs,
      customers: claimed.map(([customerId, fence, lanes]) => ({
        customerId,
        fence,
        lanes: laneStates(lanes),
      })),
    };
  }

  /** The customers whose lease is another worker's by now. */
  async renew(workerId: string, leaseMs: number, leases: readonly Lease[]): Promise<string[]> {
    return (await this.#scripts.renew([workerId, leaseMs, ...flat(leases)])) as string[];
  }

  async release(
    workerId: string,
    { mode, dueSoonMs, offer }: ReleaseOptions,
    leases: readonly Lease[],
  ): Promise<ReleaseResult[]> {
    const { toWorkerId = '', forMs = 0 } = offer ?? {};
    const args = [workerId, mode, dueSoonMs, toWorkerId, forMs, ...flat(leases)];
    const replies = (await this.#scripts.release(args)) as ('released' | 'not ours' | LaneStateReply)[];
    return replies.map((reply) => (typeof reply === 'string' ? reply : { kept: laneStates(reply) }));
  }

  /** Per lane the ms until it is due, or null when it holds nothing. */
  async closeLanes(lanes: readonly { customerId: string; lane: string }[]): Promise<(number | null)[]> {
    const args = lanes.flatMap(({ customerId, lane }) => [customerId, lane]);
    return (await this.#scripts.closeLanes(args)) as (number | null)[];
  }

  async readLanes(customerIds: readonly string[]): Promise<LaneState[][]> {
    return ((await this.#scripts.readLanes(customerIds)) as LaneStateReply[]).map(laneStates);
  }

  async countActive(lanes: readonly string[]): Promise<number[]> {
    return (await this.#scripts.countActive(lanes)) as number[];
  }

  /** Delayed jobs of the customer, in all its lanes. */
  async countDelayed(customerId: string): Promise<number> {
    return (await this.#scripts.countDelayed([customerId])) as number;
  }

  /** Removes `jobsMax` of the customer's jobs, and lanes that hold no more; whether there are more. */
  async eraseCustomer(customerId: string, jobsMax: number): Promise<boolean> {
    return (await this.#scripts.eraseCustomer([customerId, jobsMax])) === 1;
  }

  /** Names of lanes that hold something, of the customers that are due first, and how many customers there are. */
  async liveLanes(limit: number): Promise<{ lanes: string[]; customers: number }> {
    const [lanes, customers] = (await this.#scripts.liveLanes([limit])) as [string[], number];
    return { lanes, customers };
  }

  /** Notes this worker's load; gives that of all that reported within `aliveMs`, this one among them. */
  async reportLoad(workerId: string, load: number, aliveMs: number): Promise<WorkerLoad[]> {
    const reply = (await this.#scripts.reportLoad([workerId, load.toFixed(2), aliveMs])) as string[];
    const loads: WorkerLoad[] = [];
    for (let i = 0; i + 1 < reply.length; i += 2) {
      loads.push({ workerId: reply[i] ?? '', load: Number(reply[i + 1]) });
    }
    return loads;
  }

  /** This worker stops: it gets nothing more. */
  async withdrawLoad(workerId: string): Promise<void> {
    await this.#scripts.withdrawLoad([workerId]);
  }

  /** Of each job whether it exists, and whether it is delayed until later than now. */
  async existing(jobs: readonly { lane: string; jobId: string }[]): Promise<JobState[]> {
    return (await this.#scripts.existing(jobs.flatMap(({ lane, jobId }) => [lane, jobId]))) as JobState[];
  }

  /** Redis's clock, in ms. */
  async nowMs(): Promise<number> {
    const [seconds, micros] = await this.#redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }
}

function defineScripts(redis: Redis, prefix: string) {
  const keys = [`${prefix}:index:ready`, `${prefix}:index:owner`];
  const define = (name: string, lua: string) => {
    const run = defineScript(redis, `posthorn:${name}`, keys.length, lua);
    return (args: readonly ScriptArgument[]) => run([...keys, prefix, ...args]);
  };
  return {
    announce: define('announce', announce),
    claim: define('claim', claim),
    renew: define('renew', renew),
    release: define('release', release),
    closeLanes: define('closeLanes', closeLanes),
    reportLoad: define('reportLoad', reportLoad),
    withdrawLoad: define('withdrawLoad', withdrawLoad),
    readLanes: define('readLanes', readLanes),
    countActive: define('countActive', countActive),
    countDelayed: define('countDelayed', countDelayed),
    eraseCustomer: define('eraseCustomer', eraseCustomer),
    liveLanes: define('liveLanes', liveLanes),
    existing: define('existing', existingJobs),
  };
}

// Bull Board shows a queue's last events; nothing of ours reads them. Redis trims by whole nodes of 100.
const laneEventsMax = 10;

type LaneStateReply = (string | number)[];

function laneStates(reply: LaneStateReply): LaneState[] {
  const states: LaneState[] = [];
  for (let i = 0; i + 2 < reply.length; i += 3) {
    states.push({ lane: String(reply[i]), dueInMs: Number(reply[i + 1]), active: Number(reply[i + 2]) });
  }
  return states;
}

function flat(leases: readonly Lease[]): string[] {
  return leases.flatMap(({ customerId, fence }) => [customerId, fence]);
}

import type { Redis } from 'ioredis';
import { announce } from './lua/announce.js';
import { claim } from './lua/claim.js';
import { countActive } from './lua/count-active.js';
import { existingJobs } from './lua/existing-jobs.js';
import { liveLanes } from './lua/live-lanes.js';
import { park } from './lua/park.js';
import { readLanes } from './lua/read-lanes.js';
import { release } from './lua/release.js';
import { renew } from './lua/renew.js';
import { defineScript, type ScriptArgument } from './script.js';

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

export type ReleaseResult = 'released' | 'not ours' | { readonly kept: readonly LaneState[] };

export interface ReadyIndex {
  announce(announcements: readonly Announcement[]): Promise<number>;
  /** The customers that are due, now leased to `workerId`, and the ms until the next one is due (null: none). */
  claim(
    workerId: string,
    options: { leaseMs: number; limit: number },
  ): Promise<{ customers: ClaimedCustomer[]; nextDueInMs: number | null; redisNowMs: number }>;
  /** The customers whose lease is somebody else's by now. */
  renew(workerId: string, leaseMs: number, leases: readonly Lease[]): Promise<string[]>;
  /** Customers with something due within `keepMs` stay leased; −1 releases all of them. */
  release(workerId: string, keepMs: number, leases: readonly Lease[]): Promise<ReleaseResult[]>;
  /** Per lane the ms until it is due, or null when it holds nothing. */
  park(lanes: readonly { customerId: string; lane: string }[]): Promise<(number | null)[]>;
  readLanes(customerIds: readonly string[]): Promise<LaneState[][]>;
  countActive(lanes: readonly string[]): Promise<number[]>;
  /** Names of lanes that hold something, of the customers that are due first, and how many customers there are. */
  liveLanes(limit: number): Promise<{ lanes: string[]; customers: number }>;
  /** Whether each job exists, in any state. */
  existing(jobs: readonly { lane: string; jobId: string }[]): Promise<boolean[]>;
  /** Redis's clock, in ms. */
  nowMs(): Promise<number>;
}

/** Where announcements of customers that nobody owns go; the message is the ms until the first is due. */
export function wakeChannel(prefix: string): string {
  return `${prefix}:index:wake`;
}

/** Where announcements to an owner go: lines of lane name and ms until due. */
export function ownerChannel(prefix: string, workerId: string): string {
  return `${prefix}:index:owner:${workerId}`;
}

/**
 * The ready index of one shard: which customers have something due, and who owns them meanwhile. Every method is one
 * script call (`claim` and the others that take many should be given some hundred at most: Redis does nothing else
 * while a script runs).
 */
export function createReadyIndex(redis: Redis, prefix: string): ReadyIndex {
  const keys = [`${prefix}:index:ready`, `${prefix}:index:owner`];
  const define = (name: string, lua: string) => {
    const run = defineScript(redis, `posthorn:${name}`, keys.length, lua);
    return (args: readonly ScriptArgument[]) => run([...keys, prefix, ...args]);
  };
  const scripts = {
    announce: define('announce', announce),
    claim: define('claim', claim),
    renew: define('renew', renew),
    release: define('release', release),
    park: define('park', park),
    readLanes: define('readLanes', readLanes),
    countActive: define('countActive', countActive),
    liveLanes: define('liveLanes', liveLanes),
    existing: define('existing', existingJobs),
  };

  return {
    async announce(announcements) {
      const args: ScriptArgument[] = [laneEventsMax];
      for (const { customerId, lanes } of announcements) {
        args.push(customerId, lanes.size);
        for (const [lane, dueInMs] of lanes) args.push(lane, Math.max(0, Math.round(dueInMs)));
      }
      return (await scripts.announce(args)) as number;
    },
    async claim(workerId, { leaseMs, limit }) {
      const [redisNowMs, nextDueInMs, ...claimed] = (await scripts.claim([workerId, leaseMs, limit])) as [
        number,
        number,
        ...[string, string, LaneStateReply][],
      ];
      return {
        redisNowMs,
        nextDueInMs: nextDueInMs === -1 ? null : nextDueInMs,
        customers: claimed.map(([customerId, fence, lanes]) => ({
          customerId,
          fence,
          lanes: laneStates(lanes),
        })),
      };
    },
    async renew(workerId, leaseMs, leases) {
      return (await scripts.renew([workerId, leaseMs, ...flat(leases)])) as string[];
    },
    async release(workerId, keepMs, leases) {
      const replies = (await scripts.release([workerId, keepMs, ...flat(leases)])) as (
        0 | 1 | LaneStateReply
      )[];
      return replies.map((reply) =>
        reply === 0 ? 'not ours' : reply === 1 ? 'released' : { kept: laneStates(reply) },
      );
    },
    async park(lanes) {
      const replies = (await scripts.park(
        lanes.flatMap(({ customerId, lane }) => [customerId, lane]),
      )) as number[];
      return replies.map((dueInMs) => (dueInMs === -1 ? null : dueInMs));
    },
    async readLanes(customerIds) {
      return ((await scripts.readLanes(customerIds)) as LaneStateReply[]).map(laneStates);
    },
    async countActive(lanes) {
      return (await scripts.countActive(lanes)) as number[];
    },
    async liveLanes(limit) {
      const [lanes, customers] = (await scripts.liveLanes([limit])) as [string[], number];
      return { lanes, customers };
    },
    async existing(jobs) {
      const replies = (await scripts.existing(jobs.flatMap(({ lane, jobId }) => [lane, jobId]))) as number[];
      return replies.map((exists) => exists === 1);
    },
    async nowMs() {
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    },
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

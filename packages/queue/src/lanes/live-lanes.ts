import { Queue, RedisConnection } from 'bullmq';

import { laneBackendFactory } from './lane-backend.js';
import { defaultPrefix } from '../prefix.js';
import { ReadyIndex } from '../ready-index/ready-index.js';
import { connectToLook } from '../redis-connections.js';

export interface LiveLanesOptions {
  readonly redisUrl: string;
  /** Hash-tagged key prefix of the shard, `{ph:0}` by default. */
  readonly prefix?: string;
  /** How many lanes are shown at most. Default 200. */
  readonly lanesMax?: number;
}

export interface LiveLanes {
  /**
   * A BullMQ queue, for looking only, for each lane that holds something: those of the customers that are due first.
   * The same lane is the same queue from call to call. Rejects when Redis does not answer within 5 s.
   */
  queues(): Promise<LiveLaneQueues>;
  close(): void;
}

export interface LiveLaneQueues {
  readonly queues: readonly Queue[];
  /** Customers that have something waiting, also those not shown. */
  readonly customers: number;
}

/** Looks at the lanes from outside, all over one connection. Writes nothing. */
export function openLiveLanes({
  redisUrl,
  prefix = defaultPrefix,
  lanesMax = 200,
}: LiveLanesOptions): LiveLanes {
  const redis = connectToLook(redisUrl, 'posthorn:queue-board', 5_000);
  redis.on('error', () => undefined);
  const connection = new RedisConnection(redis, { shared: true, blocking: false, skipWaitingForReady: true });
  connection.on('error', () => undefined);
  const index = new ReadyIndex(redis, prefix);
  let known = new Map<string, Queue>();

  function open(lane: string): Queue {
    const options = { connection: redis, prefix, skipMetasUpdate: true };
    const queue = new Queue(lane, options, laneBackendFactory(connection));
    queue.on('error', () => undefined);
    return queue;
  }

  return {
    async queues() {
      const { lanes, customers } = await index.liveLanes(lanesMax);
      known = new Map(lanes.sort().map((lane) => [lane, known.get(lane) ?? open(lane)]));
      return { queues: [...known.values()], customers };
    },
    close() {
      redis.disconnect();
    },
  };
}

import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';

import type { WindowCounter } from './window-counter.js';

export interface RedisWindowCounterOptions {
  redisUrl: string;
  /** With a hash tag, as for all our keys. */
  prefix: string;
}

/** On a connection of its own that gives up at once while Redis is away: whoever counts must not be held up. */
export function createRedisWindowCounter({ redisUrl, prefix }: RedisWindowCounterOptions): WindowCounter {
  const redis = new Redis(redisUrl, {
    connectionName: 'posthorn:limits',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: 2_000,
    retryStrategy: (times) => Math.min(1_000, 50 * 2 ** Math.min(times, 5)),
  });
  // Those who ask hear of it; without a listener it would end the process.
  redis.on('error', () => undefined);
  // Its own limit is not used: how much was counted says more than whether it was too much.
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: `${prefix}:limit`,
    points: Number.MAX_SAFE_INTEGER,
    duration: 1,
  });
  return {
    async add(name, points, windowSeconds) {
      const counted = await limiter.penalty(name, points, { customDuration: windowSeconds });
      return { total: counted.consumedPoints, msLeft: counted.msBeforeNext };
    },
    close: () => redis.disconnect(),
  };
}

const commandTimeoutMs = 250;

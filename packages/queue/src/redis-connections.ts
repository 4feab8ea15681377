import type { Logger } from '@posthorn/runtime';
import { Redis } from 'ioredis';

const reconnectDelayMs = (times: number) => Math.min(1000, 50 * 2 ** Math.min(times, 5));

/**
 * The producer's connection: a command fails at once while Redis is away (no offline queue), after one reconnect when it
 * goes away meanwhile, and after `commandTimeoutMs` when it does not answer. Accepting events never waits for Redis.
 */
export function connectFailFast(redisUrl: string, connectionName: string, commandTimeoutMs: number): Redis {
  return new Redis(redisUrl, {
    connectionName,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeoutMs,
    connectTimeout: 2000,
    retryStrategy: reconnectDelayMs,
  });
}

/** For a person who looks: a command waits for the connection and for its answer, `timeoutMs` at most. */
export function connectToLook(redisUrl: string, connectionName: string, timeoutMs: number): Redis {
  return new Redis(redisUrl, {
    connectionName,
    maxRetriesPerRequest: 1,
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    retryStrategy: reconnectDelayMs,
  });
}

/** A connection that waits for Redis however long it is away, as BullMQ's workers want it. */
export function connectPatient(
  redisUrl: string,
  connectionName: string,
  options: { autoResubscribe?: boolean } = {},
): Redis {
  return new Redis(redisUrl, {
    connectionName,
    maxRetriesPerRequest: null,
    // Without an answer for this long, the connection is taken for dead and made again.
    socketTimeout: 10_000,
    connectTimeout: 5000,
    retryStrategy: reconnectDelayMs,
    ...options,
  });
}

/** Says once that a connection is down, and that it is back. */
export function logConnection(
  redis: Redis,
  { name, logger, until }: { name: string; logger: Logger; until: () => boolean },
): void {
  let down = false;
  const onDown = (error?: Error): void => {
    if (!down && !until()) logger.warn('queue.connection_down', { connection: name, error });
    down = true;
  };
  redis.on('error', onDown);
  // A connection that the server ends says no more than this.
  redis.on('close', () => onDown());
  redis.on('ready', () => {
    if (down) logger.info('queue.connection_ready', { connection: name });
    down = false;
  });
}

import { QueueKeys, RedisConnection, RedisQueueBackend, type BackendFactory } from 'bullmq';
import { Redis } from 'ioredis';
import { EventEmitter } from 'node:events';

export interface FloorJob {
  eventId: string;
  deliveryId: string;
}

export const floorPrefix = 'floor';
/** Names of customers that got something, separated by commas. */
export const wakeChannel = 'floor:wake';

const WAIT_MAX_MS = 10_000;

/** A backend over the one connection that all queues share; a Worker's wait for a job ends by `wake`. */
export class SharedBackend extends RedisQueueBackend {
  #wake: (() => void) | null = null;
  #woken = false;

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  override waitForJob(seconds: number): ReturnType<RedisQueueBackend['waitForJob']> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        this.#woken = false;
        resolve({ member: '0', score: 0 });
      };
      const timer = setTimeout(end, Math.min(seconds * 1000, WAIT_MAX_MS));
      this.#wake = end;
      if (this.#woken) end();
    });
  }

  override waitUntilReady(): Promise<void> {
    return Promise.resolve();
  }
}

export function connectRedis(url: string): Redis {
  return new Redis(url, { maxRetriesPerRequest: null });
}

export async function shareConnection(redis: Redis): Promise<BackendFactory<SharedBackend>> {
  // Each queue listens to it.
  EventEmitter.defaultMaxListeners = 0;
  const connection = new RedisConnection(redis, { shared: true, blocking: false });
  await connection.client;
  const keys = new QueueKeys(floorPrefix);
  return (name, options) =>
    new SharedBackend(
      connection,
      name,
      keys.getKeys(name),
      (type) => keys.toKey(name, type),
      options,
      undefined,
      false,
    );
}

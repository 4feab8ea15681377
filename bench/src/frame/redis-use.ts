import type { Redis } from 'ioredis';

export interface RedisUse {
  usedBytes: number;
  /** Commands it has processed since it started, also those that scripts gave. */
  commands: number;
}

export async function readRedisUse(redis: Redis): Promise<RedisUse> {
  const info = await redis.info('everything');
  const figure = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return { usedBytes: figure('used_memory'), commands: figure('total_commands_processed') };
}

/** Jobs that wait for their time, in all queues. */
export async function countDelayedJobs(redis: Redis): Promise<number> {
  let count = 0;
  for await (const keys of redis.scanStream({ match: '*:delayed', count: 1_000 }) as AsyncIterable<
    string[]
  >) {
    const sizes = await Promise.all(keys.map((key) => redis.zcard(key)));
    count += sizes.reduce((sum, size) => sum + size, 0);
  }
  return count;
}

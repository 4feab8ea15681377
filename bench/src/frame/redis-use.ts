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

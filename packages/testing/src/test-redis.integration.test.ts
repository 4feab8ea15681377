import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { testRedis } from './test-redis.js';

describe('testRedis', () => {
  it('gives every caller a prefix of its own, and drop() removes that one alone', async () => {
    const [mine, theirs] = [testRedis(), testRedis()];
    const redis = new Redis(mine.url);
    for (const { prefix } of [mine, theirs]) {
      for (let n = 0; n < 20; n += 1) await redis.set(`${prefix}:key-${n}`, n);
    }
    await mine.drop();
    const left = (prefix: string) => redis.keys(`${prefix}*`);
    expect([(await left(mine.prefix)).length, (await left(theirs.prefix)).length]).toEqual([0, 20]);
    await theirs.drop();
    redis.disconnect();
  });
});

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';

export interface TestRedis {
  url: string;
  /** Unique and hash-tagged, to be used in front of every key. */
  prefix: string;
  /** The keys that are there with the prefix, sorted. */
  keys(): Promise<string[]>;
  /** Removes every key with the prefix. */
  drop(): Promise<void>;
}

/** The test run's Redis, shared by all test files: each keeps to a key prefix of its own. */
export function testRedis(): TestRedis {
  const url = process.env['POSTHORN_TEST_REDIS_URL'];
  if (!url)
    throw new Error(
      "POSTHORN_TEST_REDIS_URL is not set: run this test through Jest's integration or e2e project",
    );
  const prefix = `{ph-test-${randomBytes(4).toString('hex')}:0}`;
  return { url, prefix, keys: () => listKeys(url, prefix), drop: () => dropKeys(url, prefix) };
}

async function dropKeys(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
      if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
    }
  } finally {
    redis.disconnect();
  }
}

async function listKeys(url: string, prefix: string): Promise<string[]> {
  const redis = new Redis(url);
  try {
    const found = new Set<string>();
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
      for (const key of keys as string[]) found.add(key);
    }
    return [...found].sort();
  } finally {
    redis.disconnect();
  }
}

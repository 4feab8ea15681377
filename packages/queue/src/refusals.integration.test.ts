import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPrivateRedis, waitUntil } from '@posthorn/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { deliveryJob, gate, newId, queueUnderTest } from './test-support/queue-under-test.js';

const lanes = 30;
const jobsPerLane = 3;

/** How a server is made to refuse writes while it runs, and how that ends. */
const states: Record<string, Record<'begin' | 'end', (redis: Redis, data: string) => Promise<unknown>>> = {
  READONLY: {
    begin: (redis) => redis.call('REPLICAOF', '127.0.0.1', '1'),
    end: (redis) => redis.call('REPLICAOF', 'NO', 'ONE'),
  },
  OOM: {
    begin: (redis) => redis.config('SET', 'maxmemory', '1'),
    end: (redis) => redis.config('SET', 'maxmemory', '0'),
  },
  NOREPLICAS: {
    begin: (redis) => redis.config('SET', 'min-replicas-to-write', '1'),
    end: (redis) => redis.config('SET', 'min-replicas-to-write', '0'),
  },
  MISCONF: {
    async begin(redis, data) {
      await chmod(data, 0o500);
      await redis.config('SET', 'save', '3600 1');
      await redis.bgsave();
      await waitUntil(async () => (await redis.info('persistence')).includes('rdb_last_bgsave_status:err'));
    },
    async end(redis, data) {
      await chmod(data, 0o700);
      await redis.config('SET', 'save', '');
    },
  },
};

describe('a dispatcher whose Redis refuses writes while it runs', () => {
  let folder: string;
  let server: Awaited<ReturnType<typeof startPrivateRedis>>;
  let queue: Awaited<ReturnType<typeof queueUnderTest>>;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'posthorn-refusals-'));
    server = await startPrivateRedis({ dataDir: path.join(folder, 'redis') });
    queue = await queueUnderTest({ url: server.url, prefix: '{ph:0}' });
  });
  afterEach(async () => {
    await chmod(path.join(folder, 'redis', 'data'), 0o700);
    await queue.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.keys(states))(
    'logs %s once for all lanes and tasks, and its end, and loses nothing',
    async (code) => {
      const { begin, end } = states[code]!;
      const data = path.join(folder, 'redis', 'data');
      const refused = async () =>
        Number(
          new RegExp(`errorstat_${code}:count=(\\d+)`).exec(await queue.redis.info('errorstats'))?.[1] ?? 0,
        );
      const hold = gate();
      const handled = new Set<string>();
      let started = 0;
      await queue.dispatch({
        leaseMs: 10_000,
        jobLockMs: 4_000,
        idleReleaseMs: 10_000,
        laneLimits: async () => ({ customerMaxInFlight: 10, endpointMaxInFlight: 1 }),
        handle: async ({ deliveryId }) => {
          started += 1;
          await hold.opened;
          handled.add(deliveryId);
          return { kind: 'done' };
        },
      });
      const jobs = Array.from({ length: lanes }, (_, lane) => {
        const endpointId = newId();
        return Array.from({ length: jobsPerLane }, () =>
          deliveryJob({ customerId: `customer-${lane % 5}`, endpointId }),
        );
      }).flat();
      await queue.producer.enqueue(jobs);
      await waitUntil(() => started === lanes);
      expect(await queue.producer.writeProblem()).toBeNull();

      await begin(queue.redis, data);
      hold.open();
      // Of a full Redis, what ends a job is taken: there it is the tasks alone that fail.
      await waitUntil(async () => (await refused()) > lanes, { timeoutMs: 30_000 });
      const warnings = () => queue.logger.lines.filter(({ level }) => level === 'warn');
      expect(warnings()).toEqual([
        {
          level: 'warn',
          event: 'queue.redis_refuses',
          fields: {
            code,
            problem: expect.stringMatching(/^Redis .*\. .*\.$/),
            refused: 1,
            seconds: 0,
          },
        },
      ]);
      const keys = await queue.redis.dbsize();
      expect(await queue.producer.writeProblem()).toBe(warnings()[0]?.fields['problem']);
      expect(queue.logger.lines.map(({ event }) => event)).not.toContain('queue.redis_recovered');
      expect(await queue.redis.dbsize()).toBe(keys);

      await end(queue.redis, data);
      const recovered = () => queue.logger.lines.some(({ event }) => event === 'queue.redis_recovered');
      await waitUntil(recovered, { timeoutMs: 30_000 });
      // A job whose end was refused several times runs again when its lock has ended.
      expect(await queue.producer.writeProblem()).toBeNull();
      await waitUntil(async () => (await queue.missing(jobs)).length === jobs.length, {
        timeoutMs: 30_000,
      });
      expect(handled).toEqual(new Set(jobs.map(({ deliveryId }) => deliveryId)));
      expect(await queue.redis.keys('*write-check*')).toEqual([]);
    },
    120_000,
  );
});

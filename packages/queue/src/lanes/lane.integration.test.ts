import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, type TestRedis } from '@posthorn/testing';
import { RedisConnection } from 'bullmq';
import { Redis } from 'ioredis';
import { createJobLocks, type JobLocks } from './job-locks.js';
import { Lane } from './lane.js';
import { SlowStartScheduler } from '../flow-control/slow-start-scheduler.js';
import { gateUnderTest } from '../flow-control/test-support/gate-under-test.js';
import { DelayedTally } from './delayed-tally.js';
import { ReadyIndex } from '../ready-index/ready-index.js';
import { recordingLogger } from '../test-support/queue-under-test.js';

describe('a lane', () => {
  const name = 'acme/ep_01h455vb4pex5vsknk084sn02q';
  let shared: TestRedis;
  let redis: Redis;
  let locks: JobLocks;

  beforeEach(() => {
    shared = testRedis();
    redis = new Redis(shared.url, { maxRetriesPerRequest: null });
    locks = createJobLocks({ lockMs: 30_000, logger: recordingLogger() });
  });
  afterEach(async () => {
    await shared.drop();
    locks.close();
    redis.disconnect();
  });

  it('has closed only when nothing of it writes keys any more', async () => {
    const connection = new RedisConnection(redis, { shared: true, blocking: false });
    await connection.client;
    const slowStart = new SlowStartScheduler(() => 0);
    const lane = new Lane(
      {
        redis,
        connection,
        prefix: shared.prefix,
        jobLockMs: 30_000,
        handle: () => Promise.resolve({ kind: 'done' }),
        locks,
        logger: recordingLogger(),
        random: Math.random,
        counts: { stalled: 0 },
      },
      {
        name,
        customerId: 'acme',
        supplier: gateUnderTest(slowStart).gate,
        delayed: new DelayedTally({
          count: () => Promise.resolve(0),
          delayedMax: 1,
          logger: recordingLogger(),
        }),
      },
    );
    lane.checkStalled();
    await lane.close();
    lane.checkStalled();
    const index = new ReadyIndex(redis, shared.prefix);
    expect(await index.closeLanes([{ customerId: 'acme', lane: name }])).toEqual([null]);
    // Longer than a stalled check takes.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await redis.keys(`${shared.prefix}*`)).toEqual([]);
    slowStart.close();
  });
});

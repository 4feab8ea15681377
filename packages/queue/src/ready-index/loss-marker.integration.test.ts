import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startPrivateRedis, waitUntil } from '@posthorn/testing';
import { Redis } from 'ioredis';
import { createLossMarker, type LossMarker } from './loss-marker.js';

describe('the loss marker', () => {
  let folder: string;
  let server: Awaited<ReturnType<typeof startPrivateRedis>>;
  let redis: Redis;
  let marker: LossMarker;

  const start = async (port?: number) => {
    server = await startPrivateRedis({ dataDir: path.join(folder, 'redis'), port, persistent: true });
  };
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'loss-marker-'));
    await start();
    redis = new Redis(server.url, { retryStrategy: () => 50 });
    redis.on('error', () => undefined);
    marker = createLossMarker(redis, '{ph:0}');
  });
  afterEach(async () => {
    redis.disconnect();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The value that is known after two quiet passes. */
  const settled = async (): Promise<string> => {
    const first = await marker.renew(null);
    expect(first.lost).toBe(true);
    const second = await marker.renew(first.marker);
    expect(second.lost).toBe(false);
    expect(second.marker).not.toBe(first.marker);
    return second.marker;
  };

  it('is intact while nothing happens, also for one who could not write the new value down', async () => {
    const known = await settled();
    await marker.renew(known);
    expect((await marker.renew(known)).lost).toBe(false);
  });

  it('is lost when Redis was emptied, and stays lost until the new value is known', async () => {
    const known = await settled();
    await redis.flushall();
    expect((await marker.renew(known)).lost).toBe(true);
    const again = await marker.renew(known);
    expect(again.lost).toBe(true);
    expect((await marker.renew(again.marker)).lost).toBe(false);
  });

  it('is lost when the same run of Redis was put back to an earlier state', async () => {
    const earlier = await settled();
    const dump = await redis.hgetall('{ph:0}:index:marker');
    const later = await marker.renew((await marker.renew(earlier)).marker);
    await redis.hset('{ph:0}:index:marker', dump);
    expect((await marker.renew(later.marker)).lost).toBe(true);
  });

  it('is lost when Redis was restarted, although it kept its data', async () => {
    const known = await settled();
    const { port } = server;
    await server.stop();
    await start(port);
    await waitUntil(() => redis.status === 'ready');
    expect(await redis.exists('{ph:0}:index:marker')).toBe(1);
    expect((await marker.renew(known)).lost).toBe(true);
  });
});

import { startPrivateRedis } from '@posthorn/embedded';
import { Redis } from 'ioredis';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';

import { startLoad, type Load } from './load.js';
import { startBenchPostgres } from './postgres.js';
import { startReceiver, type Receiver } from './receiver.js';

export interface Stage {
  folder: string;
  postgresPid: number;
  redisPid: number;
  redisUrl: string;
  receiver: Receiver;
  load: Load;
  /** A database of its own for a contestant. */
  createDatabase(name: string): Promise<{ url: string; pool: pg.Pool }>;
  /** For looking into it. */
  redis: Redis;
  /** Everything that was opened is closed in reverse order. */
  onStop(close: () => Promise<unknown>): void;
  stop(): Promise<void>;
}

/** What all contestants share: a durable Postgres, a Redis, the customers' endpoints and the producers. */
export async function openStage(options: { postgresSettings?: Record<string, string> } = {}): Promise<Stage> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-bench-'));
  const closes: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (let close = closes.pop(); close; close = closes.pop()) await close().catch(() => undefined);
  };
  try {
    const postgres = await openPostgres(path.join(folder, 'postgres'), options.postgresSettings ?? {});
    closes.push(() => postgres.stop());
    const redis = await startPrivateRedis({ dataDir: path.join(folder, 'redis'), persistent: false });
    closes.push(() => redis.stop());
    const redisClient = new Redis(redis.url);
    closes.push(() => redisClient.quit());
    const receiver = await startReceiver();
    closes.push(() => receiver.stop());
    const load = await startLoad();
    closes.push(() => load.stop());
    return {
      folder,
      postgresPid: postgres.pid,
      redisPid: redis.pid,
      redisUrl: redis.url,
      receiver,
      load,
      async createDatabase(name) {
        await runOnce(postgres.url, `CREATE DATABASE ${name}`);
        const url = new URL(postgres.url);
        url.pathname = `/${name}`;
        const pool = new pg.Pool({ connectionString: url.href, max: 2 });
        pool.on('error', () => undefined);
        closes.push(() => pool.end());
        return { url: url.href, pool };
      },
      redis: redisClient,
      onStop: (close) => closes.push(close),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openPostgres(dataDir: string, settings: Record<string, string>) {
  const server = await startBenchPostgres({ dataDir });
  if (Object.keys(settings).length === 0) return server;
  for (const [name, value] of Object.entries(settings))
    await runOnce(server.url, `ALTER SYSTEM SET ${name} = '${value}'`);
  await server.stop();
  return startBenchPostgres({ dataDir });
}

async function runOnce(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

import { deployMigrations, ensurePartitions } from '@posthorn/database';
import { findFreePort, startEmbeddedPostgres, startPrivateRedis } from '@posthorn/embedded';
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';

const ROOT = path.resolve(import.meta.dirname, '../..');
const DAY_MS = 86_400_000;

export interface System {
  /** Base URLs and process ids of the roles. */
  ingest: { origin: string; pid: number };
  console: { origin: string; pid: number };
  worker: { pid: number };
  receiver: ChildProcess;
  load: ChildProcess;
  adminKey: string;
  receiverUrl: string;
  pool: pg.Pool;
  /** Undefined where a given server is used. */
  postgresPid: number | undefined;
  redisPid: number | undefined;
  stop(): Promise<void>;
}

export interface SystemOptions {
  /** Daily partitions present in all, today's included. */
  partitionDays: number;
  env?: Record<string, string>;
}

/** The whole of Posthorn as it runs in production, each role a process, on durable Postgres and a Redis of its own. */
export async function startSystem({ partitionDays, env = {} }: SystemOptions): Promise<System> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-bench-'));
  const stops: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const close of stops.reverse()) await close();
  };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, 'postgres') });
    stops.push(() => postgres.stop());
    const redis = await startPrivateRedis({ dataDir: path.join(folder, 'redis'), persistent: false });
    stops.push(() => redis.stop());

    await deployMigrations(postgres.url, path.join(ROOT, 'prisma/migrations'));
    const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
    pool.on('error', () => undefined);
    stops.push(() => pool.end());
    const daysBack = Math.max(0, partitionDays - 15);
    for (let day = daysBack; day >= 0; day -= 10)
      await ensurePartitions(pool, { nowMs: Date.now() - day * DAY_MS });
    await ensurePartitions(pool, { nowMs: Date.now() });

    const adminKey = `phk_${randomBytes(24).toString('base64url')}`;
    const common = {
      ...env,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      POSTHORN_ADMIN_KEY: adminKey,
      POSTHORN_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
      POSTHORN_ALLOW_TARGETS: '127.0.0.0/8',
      POSTHORN_HOST: '127.0.0.1',
      POSTHORN_LOG_LEVEL: 'warn',
    };
    const start = async (role: string): Promise<{ origin: string; pid: number }> => {
      const port = await findFreePort();
      const child = spawn(process.execPath, [path.join(ROOT, 'apps/cli/dist/main.js'), 'serve', role], {
        cwd: folder,
        env: { PATH: process.env['PATH'], ...common, POSTHORN_PORT: String(port) },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      stops.push(() => end(child));
      const origin = `http://127.0.0.1:${port}`;
      await untilReady(origin, child);
      return { origin, pid: child.pid ?? 0 };
    };
    const consoleRole = await start('console');
    const ingest = await start('ingest');
    const worker = await start('worker');

    const receiver = fork(path.join(import.meta.dirname, 'receiver-process.js'));
    stops.push(() => end(receiver));
    const { port } = await answer<{ port: number }>(receiver);
    const load = fork(path.join(import.meta.dirname, 'load-process.js'));
    stops.push(() => end(load));

    return {
      ingest,
      console: consoleRole,
      worker,
      receiver,
      load,
      adminKey,
      receiverUrl: `http://127.0.0.1:${port}/hook`,
      pool,
      postgresPid: postgres.pid,
      redisPid: redis.pid,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Sends a message to a child and resolves with its next one. */
export function ask<T>(child: ChildProcess, message: object | string): Promise<T> {
  const answered = answer<T>(child);
  child.send(message);
  return answered;
}

function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const exited = () => reject(new Error('The child process ended'));
    child.once('exit', exited);
    child.once('message', (message) => {
      child.off('exit', exited);
      resolve(message as T);
    });
  });
}

async function untilReady(origin: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) throw new Error(`A role ended with exit code ${child.exitCode}`);
    const ready = await fetch(`${origin}/ready`).catch(() => undefined);
    if (ready?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${origin} is not ready`);
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

import { startPrivateRedis } from '@posthorn/embedded';
import { chown, cp, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { startBenchPostgres } from '../frame/postgres.js';
import { redisCommands } from './redis-commands.js';

export interface PostgresService {
  url: string;
  /** Open transactions are ended, everything is written down. */
  stop(): Promise<void>;
  /** SIGKILL of the postmaster; the next start recovers from the log. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface RedisService {
  url: string;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** While it is down: forgets everything. */
  removeData(): Promise<void>;
  /** While it is down: what is kept becomes what it was at the last `keepCopy`. False where none was made. */
  restoreCopy(): Promise<boolean>;
  keepCopy(): Promise<void>;
  commands(...commands: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A Postgres with fsync on that always comes back on the same port with its data. */
export async function startPostgresService(dataDir: string): Promise<PostgresService> {
  let server = await startBenchPostgres({ dataDir });
  const { url, port } = server;
  return {
    url,
    stop: () => server.stop(),
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
    },
    async start() {
      server = await untilStarted(() => startBenchPostgres({ dataDir, port }));
    },
  };
}

/** A Redis with an append-only file that always comes back on the same port. */
export async function startRedisService(dataDir: string): Promise<RedisService> {
  let server = await startPrivateRedis({ dataDir, persistent: true });
  const { url, port } = server;
  const data = path.join(dataDir, 'data/appendonlydir');
  const copy = path.join(dataDir, 'older-copy');
  let copied = false;
  return {
    url,
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
    },
    async start() {
      server = await untilStarted(() => startPrivateRedis({ dataDir, port, persistent: true }));
    },
    removeData: () => rm(data, { recursive: true, force: true }),
    async keepCopy() {
      // Redis may be rewriting its log, and the files change while they are copied.
      for (let tries = 1; ; tries += 1) {
        await rm(copy, { recursive: true, force: true });
        try {
          await cp(data, copy, { recursive: true, preserveTimestamps: true });
          break;
        } catch (error) {
          if (tries === COPY_TRIES) throw error;
        }
      }
      copied = true;
    },
    async restoreCopy() {
      if (!copied) return false;
      await rm(data, { recursive: true, force: true });
      await cp(copy, data, { recursive: true, preserveTimestamps: true });
      await giveToServer(data);
      return true;
    },
    commands: (...commands) => redisCommands(url, commands),
    stop: () => server.stop(),
  };
}

const START_TRIES = 10;
const COPY_TRIES = 5;

/** Tries again, as an orchestrator does: a busy machine may take longer than the server's start is given. */
async function untilStarted<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === START_TRIES) throw error;
      await pause(1_000);
    }
  }
}

/** As root the server runs as another user, who owns the folder it is started in. */
async function giveToServer(folder: string): Promise<void> {
  const { uid, gid } = await stat(path.dirname(folder));
  await chown(folder, uid, gid);
  for (const name of await readdir(folder)) await chown(path.join(folder, name), uid, gid);
}

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { openDataFolder, type DataFolder } from './data-folder.js';
import { stopLeftoverServer } from './leftover-server.js';
import {
  clusterPath,
  type ClusterPrograms,
  ensureCluster,
  folderPath,
  postgresUser,
} from './postgres-cluster.js';
import { postgresPrograms, type PostgresPrograms } from './postgres-programs.js';
import { startServer, type ServerProcess } from './server-process.js';
import { startOnFreePort } from './start-on-free-port.js';

export interface EmbeddedPostgresOptions {
  /** Where the data lives between starts; without one it is a temporary folder, removed at the end. */
  dataDir?: string;
  /** A free one by default. */
  port?: number;
  /** Whether the server stops when this process dies without calling stop(); true by default. */
  stopWithParent?: boolean;
  /** Other programs than those of the npm package; they run with the settings and the locale that they come with. */
  programs?: PostgresPrograms | undefined;
  /** Gives a start up that is under way, and rejects. */
  signal?: AbortSignal;
}

export interface EmbeddedPostgres {
  /** Of the database `posthorn`, as a superuser. */
  url: string;
  pid: number;
  port: number;
  logFile: string;
  /** Settles when the server has ended, for whatever reason, and its folder may be used again. */
  ended: Promise<void>;
  /** Ends open transactions, writes everything down and resolves when the process is gone. */
  stop: () => Promise<void>;
}

const database = 'posthorn';

/**
 * A Postgres of our own on loopback: durable (fsync and synchronous commit on), password-protected, without a Unix
 * socket. A server left over on the same folder by a killed process is stopped and its data taken over.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const folder = await openDataFolder(options.dataDir, 'postgres');
  try {
    const programs: ClusterPrograms = options.programs
      ? { ...options.programs, foreign: true }
      : { ...(await postgresPrograms(folder.runAs)), foreign: false };
    const stalePid = await stopLeftoverServer({
      folder: folder.serverFolder,
      pidFile: pidFileOf(folder),
      programs: ['postgres'],
      stopSignal: 'SIGINT',
    });
    await ensureCluster(programs, folder);
    const started = await startOnFreePort(options.port, (port) =>
      start(programs, folder, port, stalePid, options),
    );
    const ended = started.server.ended.then(() => folder.release());
    await createDatabase(urlOf(started.port, folder.password, 'postgres')).catch(async (error: unknown) => {
      await started.server.stop();
      throw error;
    });
    return {
      url: urlOf(started.port, folder.password, database),
      pid: started.server.pid,
      port: started.port,
      logFile: folder.logFile,
      ended,
      stop: async () => {
        await started.server.stop();
        await ended;
      },
    };
  } catch (error) {
    await folder.release();
    throw error;
  }
}

/** Without them it could not run beside other servers, as another user. */
const neededSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  cluster_name: 'posthorn',
};
const ownSettings = { fsync: 'on', synchronous_commit: 'on', timezone: 'UTC', log_timezone: 'UTC' };

function start(
  { postgres: program, foreign }: ClusterPrograms,
  folder: DataFolder,
  port: number,
  stalePid: number | null,
  { stopWithParent = true, signal }: EmbeddedPostgresOptions,
): Promise<ServerProcess> {
  const { serverFolder } = folder;
  const settings = foreign ? neededSettings : { ...neededSettings, ...ownSettings };
  const command = {
    name: 'Postgres',
    program,
    args: [
      ...['-D', foreign ? folderPath(serverFolder, 3) : clusterPath(serverFolder), '-p', String(port)],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    cwd: foreign ? '/' : serverFolder,
    folder: foreign ? serverFolder : undefined,
    // Postgres does not start while the process that its pid file names lives, whatever that process is by now. This
    // variable, meant for the grandparent of a server that pg_ctl starts, names one to overlook; its second guard, the
    // shared memory of a server that still runs, stays.
    env: (stalePid === null ? {} : { PG_GRANDPARENT_PID: String(stalePid) }) as Record<string, string>,
    runAs: folder.runAs,
    logFile: folder.logFile,
    stopSignal: 'SIGINT' as const,
    stopWithParent,
    temporaryFolder: folder.temporary ? folder.path : null,
    signal,
  };
  return startServer(command, (pid) => isReady(pidFileOf(folder), pid));
}

function pidFileOf(folder: DataFolder): string {
  return path.join(folder.serverFolder, 'postmaster.pid');
}

// Its own word, as pg_ctl takes it: what answers on the port may be another server.
async function isReady(pidFile: string, pid: number): Promise<boolean> {
  const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

async function createDatabase(url: string): Promise<void> {
  const client = connection(url);
  await client.connect();
  try {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${database}`);
  } finally {
    await client.end();
  }
}

function connection(url: string): pg.Client {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 60_000 });
  client.on('error', () => undefined);
  return client;
}

function urlOf(port: number, password: string, name: string): string {
  return `postgresql://${postgresUser}:${password}@127.0.0.1:${port}/${name}`;
}

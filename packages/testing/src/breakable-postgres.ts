import type { EmbeddedPostgres } from '@posthorn/embedded';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { chown, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { startTestPostgres } from './start-test-postgres.js';
import { waitUntil } from './wait-until.js';

/** A Postgres server of a test's own that can be brought into the states of an outage. Linux only. */
export interface BreakablePostgres {
  /** Of a superuser. */
  url: string;
  port: number;
  /** Ends everything at once, as a crash does: an immediate stop. */
  crash(): Promise<void>;
  /** Every process of the server stops where it is; connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Ends what runs and starts the server again on the same port. */
  start(state?: 'normal' | PostgresState): Promise<void>;
  close(): Promise<void>;
}

/** A standby answers and refuses writes; one that does not answer in recovery refuses connections with 57P03. */
export type PostgresState = 'standby' | 'recovering';

export interface BreakablePostgresOptions {
  /** A folder of the test's own, which it removes. Default: a temporary one, removed by `close`. */
  dataDir?: string;
}

export async function startBreakablePostgres({
  dataDir,
}: BreakablePostgresOptions = {}): Promise<BreakablePostgres> {
  const folder = dataDir ?? (await mkdtemp(path.join(tmpdir(), 'posthorn-breakable-')));
  const serverFolder = path.join(folder, 'data');
  let embedded: EmbeddedPostgres | null = await startTestPostgres({ dataDir: folder });
  let recovering: ChildProcess | null = null;
  const { url, port, pid } = embedded;
  const program = readlinkSync(`/proc/${pid}/exe`);
  const { uid, gid } = statSync(serverFolder);

  const runningPid = (): number | undefined => recovering?.pid ?? embedded?.pid;
  const everyProcess = (): number[] => {
    const postmaster = runningPid();
    return postmaster === undefined ? [] : [postmaster, ...childrenOf(postmaster)];
  };
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const each of everyProcess().filter(isAlive)) process.kill(each, signal);
  };
  const end = async (): Promise<void> => {
    signalAll('SIGCONT');
    if (recovering) {
      const exited = once(recovering, 'exit');
      if (recovering.exitCode === null && recovering.kill('SIGQUIT')) await exited;
    }
    await embedded?.stop();
    recovering = null;
    embedded = null;
  };

  return {
    url,
    port,
    async crash() {
      const postmaster = runningPid();
      if (postmaster === undefined) return;
      const processes = everyProcess();
      process.kill(postmaster, 'SIGQUIT');
      await waitUntil(() => processes.every((each) => !isAlive(each)), { what: 'the end of Postgres' });
      await end();
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    async start(state = 'normal') {
      await end();
      const signalFile = path.join(serverFolder, 'standby.signal');
      if (state === 'normal') {
        await rm(signalFile, { force: true });
        embedded = await startTestPostgres({ dataDir: folder, port });
        return;
      }
      await writeFile(signalFile, '');
      await chown(signalFile, uid, gid);
      const settings = {
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
        max_connections: '200',
        hot_standby: state === 'standby' ? 'on' : 'off',
      };
      // Passed on open: its user may not be able to walk there, see packages/embedded.
      const data = await open(serverFolder, 'r');
      recovering = spawn(
        program,
        [
          ...['-D', '/proc/self/fd/3', '-p', String(port)],
          ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
        ],
        { cwd: '/', uid, gid, env: {}, stdio: ['ignore', 'ignore', 'ignore', data.fd] },
      );
      await data.close();
      const pidFile = path.join(serverFolder, 'postmaster.pid');
      await waitUntil(
        () => ['standby', 'ready'].includes(readFileSync(pidFile, 'utf8').split('\n')[7]?.trim() ?? ''),
        { what: 'recovery' },
      );
    },
    async close() {
      await end();
      if (dataDir === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)?.parent === parent);
}

function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== null && stat.state !== 'Z';
}

function statOf(pid: number): { state: string; parent: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

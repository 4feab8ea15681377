import { findFreePort, waitUntil } from '@posthorn/testing';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const PROGRAM = '/usr/sbin/pgbouncer';
/** Every system has it, and PgBouncer refuses to run as root. */
const NOBODY = 65_534;

/** Whether the operating system's package is installed. */
export const hasPgBouncer = existsSync(PROGRAM);

export interface PgBouncer {
  /** Of the same database, through it. */
  url: string;
  stop(): Promise<void>;
}

/** With the settings of the package: it knows no start-up parameters but the usual ones, and refuses others. */
export async function startPgBouncer(
  databaseUrl: string,
  poolMode: 'session' | 'transaction',
): Promise<PgBouncer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'posthorn-pgbouncer-'));
  const port = await findFreePort();
  const to = new URL(databaseUrl);
  const login = `user=${to.username} password=${decodeURIComponent(to.password)}`;
  await writeFile(
    path.join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${to.hostname} port=${to.port} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${poolMode}
`,
  );
  await chmod(folder, 0o755);
  const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const child = spawn(PROGRAM, ['-q', path.join(folder, 'pgbouncer.ini')], { ...asNobody, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  process.once('exit', () => child.kill('SIGKILL'));
  await waitUntil(() => answers(port), { timeoutMs: 20_000 });
  const url = new URL(databaseUrl);
  url.port = String(port);
  return { url: url.href, stop };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

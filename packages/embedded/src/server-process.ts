import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { EmbeddedServiceError } from './embedded-service-error.js';
import { watchParent } from './parent-watch.js';
import type { RunAs } from './run-as.js';

export interface ServerCommand {
  name: string;
  program: string;
  args: string[];
  cwd: string;
  /** Passed on open, as file descriptor 3. */
  folder?: string | undefined;
  env: Record<string, string>;
  /** Written to its standard input: keeps secrets out of the process list. */
  input?: string;
  runAs: RunAs | undefined;
  logFile: string;
  stopSignal: NodeJS.Signals;
  stopWithParent: boolean;
  /** Removed with the server when this process dies without stopping it. */
  temporaryFolder: string | null;
  /** Ends the wait for it to become ready. */
  signal?: AbortSignal;
}

export interface ServerProcess {
  pid: number;
  /** Settles when the process has ended, for whatever reason. */
  ended: Promise<void>;
  /** Asks it to stop, insists after 20 s, and resolves once it has ended. */
  stop: () => Promise<void>;
}

const readyWithinMs = 120_000; // a crash recovery or a long append-only file takes its time
const stopWithinMs = 20_000;
const logBytesMax = 4 * 1024 * 1024;

/** Starts a server in a process group of its own (a terminal's Ctrl-C reaches only us) and waits until it is ready. */
export async function startServer(
  command: ServerCommand,
  isReady: (pid: number) => Promise<boolean>,
): Promise<ServerProcess> {
  const log = await openLog(command.logFile);
  const folder = command.folder === undefined ? undefined : await open(command.folder, 'r');
  let child: ChildProcess;
  try {
    child = await spawnDetached(command, log.fd, folder?.fd);
  } finally {
    await folder?.close();
    await log.close();
  }
  const ended = child.exitCode === null ? once(child, 'exit').then(() => undefined) : Promise.resolve();
  const pid = child.pid as number;
  const watch = command.stopWithParent ? watchParent(pid, command.stopSignal, command.temporaryFolder) : null;
  void ended.then(() => watch?.end());

  const stop = async () => {
    if (hasEnded(child)) return ended;
    child.ref();
    child.kill(command.stopSignal);
    const insist = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
    await ended;
    clearTimeout(insist);
  };
  try {
    await untilReady(child, command, isReady, log.startsAt);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid, ended, stop };
}

async function openLog(file: string) {
  const size = (await stat(file).catch(() => null))?.size ?? 0;
  const startsAt = size > logBytesMax ? 0 : size;
  const handle = await open(file, startsAt === 0 ? 'w' : 'a', 0o600);
  return { fd: handle.fd, startsAt, close: () => handle.close() };
}

async function spawnDetached(
  command: ServerCommand,
  log: number,
  folder: number | undefined,
): Promise<ChildProcess> {
  const child = spawn(command.program, command.args, {
    ...command.runAs,
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: [
      command.input === undefined ? 'ignore' : 'pipe',
      log,
      log,
      ...(folder === undefined ? [] : [folder]),
    ],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) =>
      reject(new EmbeddedServiceError(`${command.name} cannot be run.`, { cause })),
    );
  });
  child.stdin?.once('error', () => undefined); // it ended before reading; untilReady says why
  child.stdin?.end(command.input);
  child.unref();
  return child;
}

async function untilReady(
  child: ChildProcess,
  command: ServerCommand,
  isReady: (pid: number) => Promise<boolean>,
  logStartsAt: number,
): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  while (performance.now() < deadline) {
    if (hasEnded(child)) break;
    command.signal?.throwIfAborted();
    if (await isReady(child.pid as number)) return;
    await pause(20);
  }
  const what = hasEnded(child) ? 'stopped while starting' : 'did not become ready';
  const said = await readTail(command.logFile, logStartsAt);
  throw new EmbeddedServiceError(`${command.name} ${what}. Its log (${command.logFile}) says:\n${said}`);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function readTail(file: string, from: number): Promise<string> {
  const log = await open(file, 'r');
  try {
    const { size } = await log.stat();
    const start = Math.max(from, size - 2_000);
    const { buffer, bytesRead } = await log.read(
      Buffer.alloc(Math.max(0, size - start)),
      0,
      size - start,
      start,
    );
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await log.close();
  }
}

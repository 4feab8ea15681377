import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { EmbeddedServiceError } from './embedded-service-error.js';
import { isProcessIn } from './live-process.js';

export interface LeftoverServer {
  folder: string;
  /** Written by the server itself; the process id is its first line. */
  pidFile: string;
  programs: string[];
  stopSignal: NodeJS.Signals;
}

/**
 * Stops the server that a killed parent left running on this folder; a new start takes a tenth of a second and then
 * its port, settings and life are ours. Returns the process id that the pid file still names, which by now belongs to
 * nobody or to an unrelated process (after a reboot, or in a new container).
 */
export async function stopLeftoverServer(server: LeftoverServer): Promise<number | null> {
  const pid = await readPid(server.pidFile);
  if (pid === null) return null;
  const lives = () => isProcessIn(server.folder, pid, server.programs);
  for (const [signal, waitMs] of [
    [server.stopSignal, 20_000],
    ['SIGKILL', 5_000],
  ] as const) {
    const deadline = performance.now() + waitMs;
    if (lives()) process.kill(pid, signal);
    while (lives() && performance.now() < deadline) await pause(10);
  }
  if (lives())
    throw new EmbeddedServiceError(`Process ${pid} still runs on ${server.folder} and cannot be stopped.`);
  return readPid(server.pidFile);
}

async function readPid(pidFile: string): Promise<number | null> {
  const text = await readFile(pidFile, 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : null;
}

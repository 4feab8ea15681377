import { findFreePort } from '@posthorn/embedded';
import { spawn, type ChildProcess } from 'node:child_process';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const MAIN = path.resolve(import.meta.dirname, '../../../apps/cli/dist/main.js');
const RESTART_AFTER_MS = 500;

export interface RoleProcess {
  name: string;
  origin: string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves once the process answers /health: the running one, or the one started after it. */
  untilUp(): Promise<void>;
  /** Resolves once the process that runs now has ended. */
  untilEnded(): Promise<void>;
  /** How often it ended though nobody had killed it: while starting (a service was away), and while it ran, and when. */
  ownEnds(): { whileStarting: number; whileRunning: number; atMs: readonly number[] };
  /** For good. Resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** A role in a process of its own, started again whenever it ends, as an orchestrator does. */
export async function startRole(
  name: string,
  role: string,
  env: Record<string, string>,
  folder: string,
): Promise<RoleProcess> {
  const port = await findFreePort();
  const origin = `http://127.0.0.1:${port}`;
  const log = await open(path.join(folder, `${name}.log`), 'a');
  const ends = { whileStarting: 0, whileRunning: 0, atMs: [] as number[] };
  let child: ChildProcess;
  let killed = false;
  let healthy = false;
  let stopping = false;

  function run(): void {
    killed = false;
    healthy = false;
    const started = spawn(process.execPath, ['--enable-source-maps', MAIN, 'serve', role], {
      cwd: folder,
      env: { ...env, POSTHORN_PORT: String(port) },
      stdio: ['ignore', log.fd, log.fd],
    });
    child = started;
    started.once('exit', () => {
      if (!killed) ends[healthy ? 'whileRunning' : 'whileStarting'] += 1;
      if (!killed && healthy) ends.atMs.push(Date.now());
      if (!stopping) setTimeout(run, RESTART_AFTER_MS);
    });
    void watchHealth(started);
  }

  async function watchHealth(of: ChildProcess): Promise<void> {
    while (of === child && !hasEnded(of)) {
      const answered = await fetch(`${origin}/health`, { signal: AbortSignal.timeout(1_000) }).then(
        ({ ok }) => ok,
        () => false,
      );
      if (answered && of === child && !hasEnded(of)) {
        healthy = true;
        return;
      }
      await pause(100);
    }
  }

  // However this process ends, nothing of it is left running.
  process.once('exit', () => child.kill('SIGKILL'));
  run();
  return {
    name,
    origin,
    kill(signal) {
      killed = signal !== 'SIGSTOP' && signal !== 'SIGCONT';
      child.kill(signal);
    },
    async untilUp() {
      while (!healthy || hasEnded(child)) await pause(50);
    },
    async untilEnded() {
      const current = child;
      while (current === child && !hasEnded(current)) await pause(20);
    },
    ownEnds: () => ends,
    async stop() {
      stopping = true;
      killed = true;
      const last = child;
      if (!hasEnded(last)) {
        last.kill('SIGCONT');
        last.kill('SIGTERM');
      }
      while (!hasEnded(last)) await pause(20);
      await log.close();
      return last.exitCode;
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

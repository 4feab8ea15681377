import { waitUntil } from '@posthorn/testing';
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

const MAIN = path.resolve(import.meta.dirname, '../../../apps/cli/dist/main.js');

export interface Dev {
  process: ChildProcess;
  /** Both streams, so far. */
  output(): string;
  /** What the summary says behind a name. */
  line(name: string): string;
  exit: Promise<number | null>;
}

/** Starts `posthorn dev` in a folder, from the build. */
export function startDev(folder: string, dataDir: string, env: Record<string, string> = {}): Dev {
  const child = spawn(process.execPath, [MAIN, 'dev'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, POSTHORN_PORT: '0', POSTHORN_DATA_DIR: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    process: child,
    output: () => output,
    line: (name) => new RegExp(`^ *${name} +(.+)$`, 'm').exec(output)?.[1] ?? '',
    exit: new Promise((resolve) => child.once('exit', (code) => resolve(code))),
  };
}

export async function untilRunning(dev: Dev): Promise<void> {
  await waitUntil(
    () => {
      if (dev.process.exitCode !== null) throw new Error(dev.output());
      return dev.line('Demo delivery') !== '';
    },
    { timeoutMs: 60_000 },
  );
}

/** Processes that were started in or with the data folder, other than Jest's own. */
export function processesOf(where: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`).startsWith(where) ||
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(where)
        );
      } catch {
        return false;
      }
    });
}

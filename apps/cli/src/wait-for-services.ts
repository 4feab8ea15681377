import { setTimeout as pause } from 'node:timers/promises';

import { CommandError } from './command-error.js';
import type { ServiceProblem } from './service-problem.js';

export interface WaitForServicesOptions {
  /** Each looks once at a service. */
  checks: readonly (() => Promise<ServiceProblem | null>)[];
  /** How long a problem that may pass is waited for; 0: not at all. */
  waitSeconds: number;
  /** Called when the wait begins and every half minute of it, with what is waited for. */
  onWaiting: (lines: readonly string[], secondsLeft: number) => void;
  signal?: AbortSignal;
}

const lookAgainMs = 500;
const sayAgainMs = 30_000;

/**
 * Resolves when every service can be used. Throws a `CommandError` with a line for each that cannot: at once for what
 * waiting does not mend, and after `waitSeconds` for the rest.
 */
export async function waitForServices(options: WaitForServicesOptions): Promise<void> {
  const { checks, waitSeconds, onWaiting, signal } = options;
  const endsMs = performance.now() + waitSeconds * 1_000;
  let sayAtMs = 0;
  for (;;) {
    const found = await cutBy(signal, Promise.all(checks.map((check) => check())));
    const problems = found.filter((problem) => problem !== null);
    if (problems.length === 0) return;
    const lines = problems.map(({ line }) => line);
    const leftMs = endsMs - performance.now();
    if (problems.some(({ kind }) => kind === 'lasting')) throw new CommandError(lines);
    if (leftMs <= 0) throw new CommandError(waitSeconds === 0 ? lines : lines.map(afterWaiting(waitSeconds)));
    if (performance.now() >= sayAtMs) {
      onWaiting(lines, Math.ceil(leftMs / 1_000));
      sayAtMs = performance.now() + sayAgainMs;
    }
    await pause(Math.min(lookAgainMs, Math.max(leftMs, 1)), undefined, { signal });
  }
}

/** For commands that a person or a script runs. */
export function writeWaiting(lines: readonly string[], secondsLeft: number): void {
  for (const line of lines) process.stderr.write(`${line} Waiting for up to ${secondsLeft} s.\n`);
}

function afterWaiting(seconds: number): (line: string) => string {
  return (line) => `${line} (waited ${seconds} s, POSTHORN_START_WAIT_SECONDS)`;
}

/** A look may take seconds; a stop does not wait for it. */
function cutBy<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const cut = () => reject(signal.reason as Error);
    signal.addEventListener('abort', cut, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', cut));
  });
}

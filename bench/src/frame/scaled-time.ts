import { resolveRetryPolicy } from '@posthorn/domain';
import { setTimeout as pause } from 'node:timers/promises';

/** The default retry policy in a story whose time runs `scale` times as fast as told. */
export function scaledDefaultPolicy(scale: number) {
  const { delaysSeconds, maxAttempts, jitter } = resolveRetryPolicy(null);
  return { delaysSeconds: delaysSeconds.map((seconds) => seconds / scale), maxAttempts, jitter };
}

/** Resolves at a time of the clock; at once if it is past. */
export async function pauseUntil(atMs: number): Promise<void> {
  await pause(Math.max(0, atMs - Date.now()));
}

/** Repeats `work` at this pace until `stop`, which resolves when the last one has ended. */
export function repeatEvery(everyMs: number, work: () => Promise<void>): { stop(): Promise<void> } {
  const controller = new AbortController();
  const run = async (): Promise<void> => {
    while (!controller.signal.aborted) {
      const startedMs = Date.now();
      await work();
      const leftMs = Math.max(0, startedMs + everyMs - Date.now());
      await pause(leftMs, undefined, { signal: controller.signal }).catch(() => undefined);
    }
  };
  const ended = run();
  // Whoever stops it hears of what failed.
  ended.catch(() => undefined);
  return {
    stop() {
      controller.abort();
      return ended;
    },
  };
}

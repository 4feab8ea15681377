import type { Logger } from '@posthorn/runtime';

export interface PeriodicTask {
  /** Starts no further run and resolves when the one under way has ended. */
  stop(): Promise<void>;
}

/** Runs a task now and then again `intervalMs` after each end. A failure is logged once until a run succeeds. */
export function runEvery(
  intervalMs: number,
  name: string,
  task: () => Promise<unknown>,
  logger: Logger,
): PeriodicTask {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let failing = false;

  const run = async (): Promise<void> => {
    try {
      await task();
      if (failing) logger.info('task.recovered', { task: name });
      failing = false;
    } catch (error) {
      if (!failing) logger.warn('task.failed', { task: name, error });
      failing = true;
    }
    if (!stopped) timer = setTimeout(start, intervalMs);
  };
  let underway = Promise.resolve();
  const start = (): void => {
    underway = run();
  };

  start();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await underway;
    },
  };
}

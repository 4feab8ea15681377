/**
 * Runs `run` when it is time: at once, or at the earliest moment that `wakeIn` was called for. One run at a time; a wake-up
 * that comes meanwhile is due after it. `run` gives the ms until it wants to run again.
 */
export function createWakeLoop(run: () => Promise<number>) {
  let timer: NodeJS.Timeout | undefined;
  let atMs = Infinity;
  let running = false;
  let again = Infinity;
  let stopped = false;
  let lastRun = Promise.resolve();

  function wakeIn(delayMs: number): void {
    const wantedAtMs = Date.now() + Math.max(0, delayMs);
    if (running) again = Math.min(again, wantedAtMs);
    if (stopped || running || wantedAtMs >= atMs) return;
    clearTimeout(timer);
    atMs = wantedAtMs;
    if (delayMs <= 0) lastRun = once();
    else
      timer = setTimeout(() => {
        lastRun = once();
      }, delayMs);
  }

  async function once(): Promise<void> {
    running = true;
    again = Infinity;
    const nextInMs = await run();
    running = false;
    atMs = Infinity;
    wakeIn(Math.min(nextInMs, again - Date.now()));
  }

  return {
    wakeIn,
    isRunning: () => running,
    /** Nothing runs any more; resolves when the run that is under way has ended. */
    stop: (): Promise<void> => {
      stopped = true;
      clearTimeout(timer);
      return lastRun;
    },
  };
}

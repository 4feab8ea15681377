import type { Logger, Shutdown } from '@posthorn/runtime';

export interface RunUntilSignalOptions {
  /** Opens everything and registers how to close it with `shutdown`; looks at the signal between its steps. */
  start: (signal: AbortSignal) => Promise<void>;
  shutdown: Shutdown;
  logger: Logger;
  onStopping?: () => void;
  /** Stops as for a signal when the process that started this one is gone. */
  stopWithParent?: boolean;
  /** Rejects when what was started cannot go on: everything is closed, and the error is thrown. */
  failure?: Promise<never>;
  /** After a signal, how long a start may take to end. Then what it opened so far is closed. */
  startGraceMs?: number;
  /** For a second signal from someone who does not want to wait; the process ends after it. */
  abandon?: () => Promise<unknown>;
}

/** A terminal and npm both pass on one Ctrl-C: what comes this soon after the first is the same wish. */
const sameWishMs = 1_000;
const parentCheckMs = 250;

/**
 * Starts, waits for SIGINT, SIGTERM or SIGHUP, and closes what was opened, whether it all was or only a part. Returns
 * the exit code: 0 after a stop in which everything closed. Throws what `start` threw, after closing.
 */
export async function runUntilSignal(options: RunUntilSignalOptions): Promise<number> {
  const { start, shutdown, logger, onStopping, abandon } = options;
  const {
    stopWithParent = false,
    startGraceMs = 5_000,
    failure = new Promise<never>(() => undefined),
  } = options;
  const stopping = new AbortController();
  let stoppingSinceMs = 0;
  const stop = (reason: string): void => {
    stoppingSinceMs = performance.now();
    logger.info('posthorn.stopping', { reason });
    onStopping?.();
    stopping.abort();
  };
  const onSignal = (name: NodeJS.Signals): void => {
    if (!stopping.signal.aborted) {
      stop(name);
    } else if (performance.now() - stoppingSinceMs > sameWishMs) {
      logger.warn('posthorn.abandoned', { signal: name });
      void (abandon?.() ?? Promise.resolve()).finally(() => process.exit(1));
    }
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  if (stopWithParent) {
    onceParentIsGone(() => {
      if (!stopping.signal.aborted) stop('parent gone');
    });
  }
  // The reader of the output may be gone, as with SIGHUP. A proper stop matters more.
  process.stdout.on('error', () => undefined);

  try {
    await Promise.race([startedOrCut(start(stopping.signal), stopping.signal, startGraceMs), failure]);
    await Promise.race([aborted(stopping.signal), failure]);
  } catch (error) {
    if (!stopping.signal.aborted) {
      await shutdown.close();
      throw error;
    }
    // What was being opened fails when it is closed half way, which says nothing about why.
    if (error !== stopping.signal.reason)
      logger.warn('startup.aborted', { problem: error instanceof Error ? error.message : error });
  }
  const { unclosed } = await shutdown.close();
  logger.info('posthorn.stopped', { unclosed });
  return unclosed.length === 0 ? 0 : 1;
}

/** A step may hang, on a service that does not come up; stopping must not hang with it. */
async function startedOrCut(starting: Promise<void>, signal: AbortSignal, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const cut = aborted(signal).then(
    () => new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs))),
  );
  try {
    await Promise.race([starting, cut]);
  } finally {
    clearTimeout(timer);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    // Something has to keep the process alive; roles on a pool that is down hold nothing open.
    const keepAlive = setInterval(() => undefined, 2 ** 30);
    signal.addEventListener('abort', () => {
      clearInterval(keepAlive);
      resolve();
    });
  });
}

function onceParentIsGone(then: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    then();
  }, parentCheckMs).unref();
}

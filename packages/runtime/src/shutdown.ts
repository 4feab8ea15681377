import { performance } from 'node:perf_hooks';
import type { Logger } from './logger.js';

export interface Shutdown {
  /**
   * Says how to close what was just opened. `deadlineMs` is the time `close` has from the moment it is called.
   * What is opened while or after everything closes (a start that a signal cut short) is closed at once.
   */
  onClose(name: string, close: (deadlineMs: number) => unknown): void;
  /** Closes everything, the last opened first. Later calls get the same promise; it never rejects. */
  close(): Promise<ShutdownResult>;
}

export interface ShutdownResult {
  /** What failed to close or took too long, by name. */
  unclosed: string[];
}

export interface ShutdownOptions {
  /** For all of it together; the process must be gone before the orchestrator kills it. */
  deadlineMs?: number;
  /** What each still gets when the ones before it have used everything up. */
  deadlineEachMsMin?: number;
}

/** One thing that fails or hangs is logged and does not keep the others from closing. */
export function createShutdown(
  logger: Logger,
  { deadlineMs = 25_000, deadlineEachMsMin = 1_000 }: ShutdownOptions = {},
): Shutdown {
  const opened: Opened[] = [];
  const unclosed: string[] = [];
  let endsMs = 0;
  let closed = false;
  let closing: Promise<ShutdownResult> | null = null;

  async function closeAll(): Promise<ShutdownResult> {
    endsMs = performance.now() + deadlineMs;
    for (let next = opened.pop(); next; next = opened.pop()) await closeOne(next);
    closed = true;
    return { unclosed };
  }

  async function closeOne({ name, close }: Opened): Promise<void> {
    const remainingMs = Math.max(Math.round(endsMs - performance.now()), deadlineEachMsMin);
    try {
      await withDeadline(close, remainingMs);
      logger.debug('shutdown.closed', { name });
    } catch (error) {
      unclosed.push(name);
      logger.error('shutdown.close_failed', { name, error });
    }
  }

  return {
    onClose(name, close) {
      if (closed) void closeOne({ name, close });
      else opened.push({ name, close });
    },
    close: () => (closing ??= closeAll()),
  };
}

interface Opened {
  name: string;
  close: (deadlineMs: number) => unknown;
}

async function withDeadline(close: (deadlineMs: number) => unknown, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not closed within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    await Promise.race([close(deadlineMs), deadline]);
  } finally {
    clearTimeout(timer);
  }
}

import type { Logger } from '@posthorn/runtime';

const lanesAtOnce = 20;

/** What holds a lane's job locks; BullMQ's backend does. Gives the ids whose lock could not be extended. */
export interface LockKeeper {
  extendLocks(jobIds: string[], tokens: string[], durationMs: number): Promise<string[]>;
}

export interface JobLock {
  /** Aborts with the reason `lockLost` when the lock is gone or can no longer be known to hold. */
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
  readonly release: () => void;
}

export const lockLost = new DOMException('The lock of the job was lost', 'AbortError');

/**
 * Keeps the locks of all jobs that run in this process, with one timer instead of one per lane. BullMQ's own renewal says
 * when a lock is lost, but not when Redis cannot be reached: here a lock that was not confirmed in time counts as lost, so
 * that nothing is sent any longer under a lock that another worker may hold by now.
 */
export function createJobLocks({ lockMs, logger }: { lockMs: number; logger: Logger }) {
  const held = new Map<LockKeeper, Map<string, HeldLock>>();
  const tickMs = Math.max(20, lockMs / 6);
  let lost = 0;
  let renewing = false;

  const timer = setInterval(() => {
    const now = Date.now();
    for (const locks of held.values()) {
      // Two renewals have failed by then; at the next tick the lock may be gone.
      for (const lock of locks.values()) if (lock.endsAtMs - now <= tickMs) lose(lock);
    }
    if (renewing) return;
    renewing = true;
    void renew().finally(() => {
      renewing = false;
    });
  }, tickMs);

  /** A few lanes at a time: a thousand are a tenth of a second of work, and the event loop is needed between. */
  async function renew(): Promise<void> {
    let sent = 0;
    for (const [keeper, locks] of held) {
      const now = Date.now();
      const due = [...locks.values()].filter(({ endsAtMs }) => endsAtMs - now < (lockMs * 2) / 3);
      if (due.length === 0) continue;
      void extend(keeper, due, now);
      sent += 1;
      if (sent % lanesAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function extend(keeper: LockKeeper, locks: HeldLock[], sentAtMs: number): Promise<void> {
    try {
      const failed = new Set(
        await keeper.extendLocks(
          locks.map(({ jobId }) => jobId),
          locks.map(({ token }) => token),
          lockMs,
        ),
      );
      for (const lock of locks) {
        if (failed.has(lock.jobId)) lose(lock);
        else lock.endsAtMs = sentAtMs + lockMs;
      }
    } catch (error) {
      logger.warn('job.lock_renewal_failed', { error, jobs: locks.length });
    }
  }

  function lose(lock: HeldLock): void {
    // Released meanwhile: the job ended while its renewal was under way.
    if (held.get(lock.keeper)?.get(lock.jobId) !== lock || lock.controller.signal.aborted) return;
    lost++;
    lock.controller.abort(lockLost);
  }

  return {
    /** `lockedAtMs`: when the fetch that took the lock was sent, so that its end is never taken to be later than it is. */
    hold(keeper: LockKeeper, jobId: string, token: string, lockedAtMs: number): JobLock {
      let locks = held.get(keeper);
      if (!locks) held.set(keeper, (locks = new Map<string, HeldLock>()));
      const before = locks.get(jobId);
      // The same job was fetched again while it runs here: the earlier run has lost its lock, noticed or not.
      if (before) lose(before);
      const controller = new AbortController();
      const lock: HeldLock = { keeper, jobId, token, controller, endsAtMs: lockedAtMs + lockMs };
      locks.set(jobId, lock);
      return {
        signal: controller.signal,
        abort: (reason) => controller.abort(reason),
        release: () => {
          if (locks.get(jobId) === lock) locks.delete(jobId);
          if (locks.size === 0 && held.get(keeper) === locks) held.delete(keeper);
        },
      };
    },
    lost: () => lost,
    close: () => clearInterval(timer),
  };
}

export type JobLocks = ReturnType<typeof createJobLocks>;

interface HeldLock {
  readonly keeper: LockKeeper;
  readonly jobId: string;
  readonly token: string;
  readonly controller: AbortController;
  endsAtMs: number;
}

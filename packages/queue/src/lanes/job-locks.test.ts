import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createJobLocks, lockLost, type LockKeeper } from './job-locks.js';
import { recordingLogger } from '../test-support/queue-under-test.js';

const lockMs = 6000;

describe('job locks', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  function kept(extend: (jobIds: string[]) => Promise<string[]>) {
    jest.useFakeTimers({ now: 1_000_000 });
    const extended: string[][] = [];
    const keeper: LockKeeper = {
      extendLocks: (jobIds) => {
        extended.push(jobIds);
        return extend(jobIds);
      },
    };
    const logger = recordingLogger();
    const locks = createJobLocks({ lockMs, logger });
    return {
      keeper,
      extended,
      locks,
      logger,
      hold: (id: string) => locks.hold(keeper, id, `t-${id}`, Date.now()),
    };
  }

  it('are extended together, long before they end, for as long as the jobs run', async () => {
    const { extended, hold, locks } = kept(() => Promise.resolve([]));
    const [a, b] = [hold('a'), hold('b')];
    await jest.advanceTimersByTimeAsync(4 * lockMs);
    expect(extended.length).toBeGreaterThanOrEqual(8);
    expect(extended[0]).toEqual(['a', 'b']);
    expect([a.signal.aborted, b.signal.aborted]).toEqual([false, false]);
    a.release();
    b.release();
    const before = extended.length;
    await jest.advanceTimersByTimeAsync(4 * lockMs);
    expect(extended).toHaveLength(before);
    locks.close();
  });

  it('abort the jobs whose lock is another worker’s, and no other', async () => {
    const { hold, locks } = kept(() => Promise.resolve(['b']));
    const [a, b] = [hold('a'), hold('b')];
    await jest.advanceTimersByTimeAsync(lockMs / 2);
    expect(a.signal.aborted).toBe(false);
    expect(b.signal.reason).toBe(lockLost);
    expect(locks.lost()).toBe(1);
    locks.close();
  });

  it.each([
    ['does not answer', () => new Promise<string[]>(() => undefined)],
    ['fails', () => Promise.reject(new Error('Connection is closed.'))],
  ])('abort before they end when Redis %s', async (_what, extend) => {
    const { hold, locks } = kept(extend);
    const lock = hold('a');
    let abortedAt = 0;
    lock.signal.addEventListener('abort', () => (abortedAt = Date.now()));
    const endsAt = Date.now() + lockMs;
    await jest.advanceTimersByTimeAsync(2 * lockMs);
    expect(lock.signal.reason).toBe(lockLost);
    expect(abortedAt).toBeGreaterThan(endsAt - lockMs / 2);
    expect(abortedAt).toBeLessThanOrEqual(endsAt);
    locks.close();
  });

  it('count the earlier run of a job that was fetched again as lost', () => {
    const { hold, locks } = kept(() => Promise.resolve([]));
    const [earlier, later] = [hold('a'), hold('a')];
    expect(earlier.signal.reason).toBe(lockLost);
    expect(later.signal.aborted).toBe(false);
    earlier.release();
    expect(hold('b').signal.aborted).toBe(false);
    locks.close();
  });
});

import type { Logger } from '@posthorn/runtime';
import { LRUCache } from 'lru-cache';

import type { WindowCounter } from './window-counter.js';

/** Requests in a window of time. */
export interface Limit {
  max: number;
  perSeconds: number;
}

export interface LimitVerdict {
  allowed: boolean;
  /** What is left in the window, as far as this process knows; null when nobody counts. */
  remaining: number | null;
  /** Until the window ends. */
  resetMs: number;
}

export interface RateLimiter {
  /** Takes one request out of what the name has left. Answers at once while this process has a share of it. */
  take(name: string, limit: Limit): LimitVerdict | Promise<LimitVerdict>;
}

export interface RateLimiterDeps {
  counter: WindowCounter;
  logger: Logger;
  /** Monotonic, for tests. */
  nowMs?: () => number;
}

/**
 * Limits over all processes, without asking the counter for each request: a process takes a share of the window, a
 * sixteenth of the limit at a time, spends it by itself, and asks for the next one before it runs out. What it takes is
 * counted before it is spent, so all processes together never let more through than the limit in one window; one that
 * falls silent keeps the rest of its share until the window ends. While nobody can count, everything is let through.
 */
export function createRateLimiter({
  counter,
  logger,
  nowMs = () => performance.now(),
}: RateLimiterDeps): RateLimiter {
  const shares = new LRUCache<string, Share>({ max: sharesMax });
  // From when on the counter is asked again after it failed; null while it answers.
  let askAgainAtMs: number | null = null;
  let letThrough = 0;

  const shareOf = (name: string): Share => {
    const known = shares.get(name);
    if (known) return known;
    const share: Share = { tokens: 0, total: 0, untilMs: -Infinity, waiting: 0, asking: null };
    shares.set(name, share);
    return share;
  };

  /** Asks for the next share; one question at a time for each name. Never rejects. */
  const ask = (name: string, share: Share, limit: Limit): Promise<void> => {
    share.asking ??= refill(name, share, limit).finally(() => {
      share.asking = null;
    });
    return share.asking;
  };

  const refill = async (name: string, share: Share, { max, perSeconds }: Limit): Promise<void> => {
    const points = Math.min(max, Math.max(sharePoints(max), share.waiting));
    // The window ends by the time of before the question, so that nothing is spent in the window after it.
    const askedMs = nowMs();
    try {
      const { total, msLeft } = await counter.add(name, points, perSeconds);
      const untilMs = askedMs + msLeft;
      // Ends that are told of one window differ by the time a question takes, those of two by a window.
      const isNewWindow = untilMs - share.untilMs > perSeconds * 500;
      const granted = Math.min(points, Math.max(0, max - (total - points)));
      share.tokens = isNewWindow ? granted : share.tokens + granted;
      share.untilMs = isNewWindow ? untilMs : Math.max(share.untilMs, untilMs);
      share.total = total;
      if (askAgainAtMs !== null) logger.info('rate_limits.restored', { let_through: letThrough });
      askAgainAtMs = null;
    } catch (error) {
      if (askAgainAtMs === null) {
        letThrough = 0;
        logger.warn('rate_limits.suspended', {
          problem: 'Redis cannot be asked, so requests are let through without counting.',
          error,
        });
      }
      askAgainAtMs = nowMs() + askAgainMs;
    }
  };

  const verdict = (share: Share, max: number, allowed: boolean): LimitVerdict => ({
    allowed,
    remaining: Math.max(0, max - share.total) + share.tokens,
    resetMs: Math.max(0, share.untilMs - nowMs()),
  });

  /** Null: this process does not know whether there is something left. */
  const spend = (name: string, share: Share, limit: Limit): LimitVerdict | null => {
    if (nowMs() >= share.untilMs) return null;
    const { max } = limit;
    if (share.tokens > 0) {
      share.tokens--;
      const runsOut = share.tokens < sharePoints(max) / 2 && share.total < max;
      if (runsOut && sharePoints(max) > 1 && askAgainAtMs === null) void ask(name, share, limit);
      return verdict(share, max, true);
    }
    return share.total >= max ? verdict(share, max, false) : null;
  };

  const waitForShare = async (name: string, share: Share, limit: Limit): Promise<LimitVerdict> => {
    share.waiting++;
    try {
      for (;;) {
        await ask(name, share, limit);
        if (askAgainAtMs !== null) return unlimited();
        const spent = spend(name, share, limit);
        if (spent) return spent;
      }
    } finally {
      share.waiting--;
    }
  };

  const unlimited = (): LimitVerdict => {
    letThrough++;
    return { allowed: true, remaining: null, resetMs: 0 };
  };

  return {
    take(name, limit) {
      const share = shareOf(name);
      const spent = spend(name, share, limit);
      if (spent) return spent;
      if (askAgainAtMs === null) return waitForShare(name, share, limit);
      // Nobody waits for a counter that failed: it is asked beside the requests.
      if (nowMs() >= askAgainAtMs) {
        askAgainAtMs = nowMs() + askAgainMs;
        void ask(name, share, limit);
      }
      return unlimited();
    },
  };
}

/** What one process has of the window of one name. */
interface Share {
  /** Counted already, not spent yet. */
  tokens: number;
  /** All that was counted, as last heard. */
  total: number;
  untilMs: number;
  /** Requests that wait for the next share. */
  waiting: number;
  asking: Promise<void> | null;
}

function sharePoints(max: number): number {
  return Math.ceil(max / 16);
}

const sharesMax = 10_000;
const askAgainMs = 1_000;

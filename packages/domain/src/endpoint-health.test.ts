import { describe, expect, it } from '@jest/globals';
import { nextHealthScore, pausedUntil, waitingForOf } from './endpoint-health.js';

describe('the health score', () => {
  it('stays at 100 while all is delivered, falls with failures and comes back', () => {
    expect(nextHealthScore(100, true)).toBe(100);
    expect(nextHealthScore(100, false)).toBe(95);
    let score = 100;
    for (let n = 0; n < 60; n++) score = nextHealthScore(score, false);
    expect(score).toBeLessThan(5);
    for (let n = 0; n < 60; n++) score = nextHealthScore(score, true);
    expect(score).toBeGreaterThan(95);
  });
});

describe('a slow-down', () => {
  it('lasts as long as was asked for, at most ten minutes', () => {
    expect(pausedUntil(30_000, 1000)).toBe(31_000);
    expect(pausedUntil(6 * 3_600_000, 1000)).toBe(601_000);
  });
});

describe('what a pending delivery waits for', () => {
  const free = { breaker: 'closed', pausedUntilMs: null, rateLimited: false } as const;
  const nowMs = 100_000;
  const due = 99_500;
  const overdue = 90_000;

  it('is its retry time before anything else', () => {
    expect(waitingForOf(100_001, { ...free, breaker: 'open' }, nowMs)).toBe('retry');
  });

  it('is the breaker unless that is closed', () => {
    for (const breaker of ['open', 'half_open'] as const) {
      expect(waitingForOf(due, { ...free, breaker, pausedUntilMs: nowMs + 1 }, nowMs)).toBe('breaker');
    }
  });

  it('is the rate limit while the endpoint asked for a pause, or when a limited one is behind', () => {
    expect(waitingForOf(due, { ...free, pausedUntilMs: nowMs + 1 }, nowMs)).toBe('rate_limit');
    expect(waitingForOf(due, { ...free, pausedUntilMs: nowMs - 1, rateLimited: true }, nowMs)).toBeNull();
    expect(waitingForOf(overdue, { ...free, rateLimited: true }, nowMs)).toBe('rate_limit');
  });

  it('is a place when it has been due for more than a second, and nothing before', () => {
    expect(waitingForOf(overdue, free, nowMs)).toBe('concurrency');
    expect(waitingForOf(due, free, nowMs)).toBeNull();
  });
});

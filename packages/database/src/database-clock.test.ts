import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';

import { createDatabaseClock, type DatabaseClock } from './database-clock.js';

const AHEAD_MS = 5_000;

/** A database whose clock is ahead by `aheadMs`, and which reads it at once but answers late. */
function lateDatabase() {
  const state = { aheadMs: AHEAD_MS, answersAfterMs: 0 };
  const query = async () => {
    const now_ms = String(Date.now() + state.aheadMs);
    await pause(state.answersAfterMs);
    return { rows: [{ now_ms }] };
  };
  return { state, pool: { query } as unknown as Pick<pg.Pool, 'query'> };
}

describe('the database’s clock', () => {
  let clock: DatabaseClock;
  afterEach(() => clock.stop());

  it('is not moved by an answer that was only late', async () => {
    const { state, pool } = lateDatabase();
    clock = createDatabaseClock(pool);
    await clock.sample();
    const before = clock.skewMs();
    state.answersAfterMs = 900;
    await clock.sample();
    // Half of what it took would be 450.
    expect(Math.abs(clock.skewMs() - before)).toBeLessThan(300);
  });

  it('follows a database whose clock was set', async () => {
    const { state, pool } = lateDatabase();
    clock = createDatabaseClock(pool);
    await clock.sample();
    const before = clock.skewMs();
    state.aheadMs = -AHEAD_MS;
    await clock.sample();
    // As near as one answer can tell: what the answer took to come, and the millisecond.
    expect(before - clock.skewMs()).toBeGreaterThan(AHEAD_MS);
  });
});

import type { DueCursor } from './find-due-deliveries.sql.js';
import { sweepStart, type SweepState } from './sweep-state.sql.js';

/**
 * A slow pass begins so long after the one before, and is spread over as long: what was lost right behind one is found by
 * the next within twice this, less than a quarter of an hour.
 */
const SLOW_PASS_MS = 420_000;
/** In one go, however far behind: the walk ahead, which has a time to keep, waits for it. */
const SLOW_ROWS_MAX = 40_000;
const LAST_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Everything due up to that moment lies before it. */
export function cursorAt(nextAttemptAtMs: number): DueCursor {
  return { nextAttemptAtMs, id: LAST_UUID };
}

export function startSlowPassWhenDue(slow: SweepState['slow'], nowMs: number): void {
  const sinceMs = nowMs - slow.beganAtMs;
  if (!slow.ended || (sinceMs >= 0 && sinceMs < SLOW_PASS_MS)) return;
  Object.assign(slow, sweepStart, { beganAtMs: nowMs, ended: false, read: 0, readBefore: slow.read });
}

/**
 * How many rows the slow pass may read now: as far as it should be by now if there are as many as the last time, all that
 * is left when its time is up, a page in any case.
 */
export function slowPassRowsMax(slow: SweepState['slow'], nowMs: number, pageRows: number): number {
  const share = (nowMs - slow.beganAtMs) / SLOW_PASS_MS;
  if (share >= 1 || share < 0) return SLOW_ROWS_MAX;
  return Math.min(SLOW_ROWS_MAX, Math.max(pageRows, slow.readBefore * share - slow.read));
}

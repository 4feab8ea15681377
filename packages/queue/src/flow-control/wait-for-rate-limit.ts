import { setTimeout as sleep } from 'node:timers/promises';
import { RetryLater } from '../retry-later.js';
import type { Permit } from './slot-supplier.js';

interface RateLimitedGate {
  sendsAtMs(permit: Permit): number;
  noteSend(nowMs: number): void;
}

/** A job that waits here uses one of its lane's slots. */
const waitMaxMs = 1_000;

/**
 * Waits until a rate limit allows the send of a job that was fetched. Rejects with the signal's reason, or with `RetryLater`
 * when that is far off: its limit was lowered after it was fetched.
 */
export async function waitForRateLimit(
  gate: RateLimitedGate,
  permit: Permit,
  signal: AbortSignal,
): Promise<void> {
  if (permit.endpointNextMs === null && permit.customerNextMs === null) return;
  // Several may wait: the first that sees the time come sends, and the others wait on.
  for (let nowMs = Date.now(); ; nowMs = Date.now()) {
    const inMs = gate.sendsAtMs(permit) - nowMs;
    if (inMs <= 0) {
      gate.noteSend(nowMs);
      return;
    }
    if (inMs > waitMaxMs) throw new RetryLater(inMs);
    await sleep(Math.ceil(inMs), undefined, { signal });
  }
}

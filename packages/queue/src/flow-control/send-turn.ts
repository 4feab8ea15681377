import { setTimeout as sleep } from 'node:timers/promises';
import { isPaced, type LaneGate, type Permit } from './lane-gate.js';
import { RetryLater } from '../lanes/retry-later.js';

/** What waits for its turn takes one of its lane's places. */
const turnMaxMs = 1_000;
const turnIsNow = () => Promise.resolve();

/**
 * For a job that was fetched: waits until a rate limit allows its send, which counts as begun then. Rejects with the
 * signal's reason, or with `RetryLater` when that is far off: its limit was lowered after it was fetched.
 */
export function turnOf(
  gate: Pick<LaneGate, 'sendsAtMs' | 'noteSend'>,
  permit: Permit | undefined,
  signal: AbortSignal,
): () => Promise<void> {
  if (!permit || !isPaced(permit)) return turnIsNow;
  return async () => {
    // Several may wait: whoever sees first that it is time goes, and the others wait on.
    for (let nowMs = Date.now(); ; nowMs = Date.now()) {
      const inMs = gate.sendsAtMs(permit) - nowMs;
      if (inMs <= 0) {
        gate.noteSend(nowMs);
        return;
      }
      if (inMs > turnMaxMs) throw new RetryLater(inMs);
      await sleep(Math.ceil(inMs), undefined, { signal });
    }
  };
}

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { LaneGate } from './lane-gate.js';
import type { Permit } from './slot-supplier.js';
import { SlowStartScheduler } from './slow-start-scheduler.js';
import { gateUnderTest } from './test-support/gate-under-test.js';
import { RetryLater } from '../retry-later.js';
import { waitForRateLimit } from './wait-for-rate-limit.js';

describe('the wait for a rate limit', () => {
  const { signal } = new AbortController();
  let slowStart: SlowStartScheduler;
  let gate: LaneGate;
  let paced: Permit;
  beforeEach(() => {
    slowStart = new SlowStartScheduler(() => 0);
    ({ gate } = gateUnderTest(slowStart));
    const { breaker } = gate.health;
    paced = { breaker, started: 0, endpointNextMs: 1, customerNextMs: null, hasSlot: true };
  });
  afterEach(() => slowStart.close());

  it('is over at once without a rate limit', async () => {
    gate.setRateLimit({ max: 1, perSeconds: 3600 }, Date.now());
    for (let n = 0; n < 10; n++) {
      await waitForRateLimit(gate, { ...paced, endpointNextMs: null }, signal);
    }
    await waitForRateLimit(gate, paced, signal);
  });

  it('spaces sends that are ready at the same time', async () => {
    gate.setRateLimit({ max: 50, perSeconds: 1 }, Date.now());
    const begunAtMs: number[] = [];
    const noting = {
      sendsAtMs: (permit: Permit) => gate.sendsAtMs(permit),
      noteSend: (nowMs: number) => {
        begunAtMs.push(nowMs);
        gate.noteSend(nowMs);
      },
    };
    await Promise.all(Array.from({ length: 20 }, () => waitForRateLimit(noting, paced, signal)));
    expect(begunAtMs).toHaveLength(20);
    expect((begunAtMs.at(-1) ?? 0) - (begunAtMs[0] ?? 0)).toBeGreaterThanOrEqual(19 * 20);
  });

  it('is given up when it is far off, or the job has to end', async () => {
    gate.setRateLimit({ max: 1, perSeconds: 60 }, Date.now());
    await waitForRateLimit(gate, paced, signal);
    const later: unknown = await waitForRateLimit(gate, paced, signal).catch((error: unknown) => error);
    expect(later).toBeInstanceOf(RetryLater);
    expect((later as RetryLater).delayMs).toBeGreaterThan(50_000);

    gate.setRateLimit({ max: 1, perSeconds: 1 }, Date.now());
    const controller = new AbortController();
    const waiting = waitForRateLimit(gate, paced, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toThrow();
  });
});

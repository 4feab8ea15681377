import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CustomerPace } from './customer-pace.js';
import { LaneGate, type Permit } from './lane-gate.js';
import { LaneGrowth } from './lane-growth.js';
import { RetryLater } from '../lanes/retry-later.js';
import { turnOf } from './send-turn.js';

describe('the turn to be sent', () => {
  const { signal } = new AbortController();
  let growth: LaneGrowth;
  let gate: LaneGate;
  beforeEach(() => {
    growth = new LaneGrowth(() => 0);
    gate = new LaneGate(
      {
        customerPace: new CustomerPace(),
        growth,
        random: Math.random,
        keepPace: () => undefined,
        onHealth: () => undefined,
      },
      1,
    );
  });
  afterEach(() => growth.close());

  const paced: Permit = { breaker: null, started: 0, endpointNextMs: 1, customerNextMs: null };

  it('is now without a rate limit', async () => {
    gate.setRateLimit({ max: 1, perSeconds: 3600 }, Date.now());
    for (let n = 0; n < 10; n++) {
      await turnOf(gate, { ...paced, endpointNextMs: null }, signal)();
      await turnOf(gate, undefined, signal)();
    }
    await turnOf(gate, paced, signal)();
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
    await Promise.all(Array.from({ length: 20 }, () => turnOf(noting, paced, signal)()));
    expect(begunAtMs).toHaveLength(20);
    expect((begunAtMs.at(-1) ?? 0) - (begunAtMs[0] ?? 0)).toBeGreaterThanOrEqual(19 * 20);
  });

  it('is given up when it is far off, or the job has to end', async () => {
    gate.setRateLimit({ max: 1, perSeconds: 60 }, Date.now());
    await turnOf(gate, paced, signal)();
    const later: unknown = await turnOf(gate, paced, signal)().catch((error: unknown) => error);
    expect(later).toBeInstanceOf(RetryLater);
    expect((later as RetryLater).delayMs).toBeGreaterThan(50_000);

    gate.setRateLimit({ max: 1, perSeconds: 1 }, Date.now());
    const controller = new AbortController();
    const waiting = turnOf(gate, paced, controller.signal)();
    controller.abort();
    await expect(waiting).rejects.toThrow();
  });
});

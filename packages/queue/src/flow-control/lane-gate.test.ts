import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HEALTHY } from '@posthorn/domain';
import { waitUntil } from '@posthorn/testing';
import type { LaneGate } from './lane-gate.js';
import type { Permit } from './slot-supplier.js';
import { SlowStartScheduler } from './slow-start-scheduler.js';
import { gateUnderTest, signalOf } from './test-support/gate-under-test.js';

describe('the gate of a lane', () => {
  let slowStart: SlowStartScheduler;
  beforeEach(() => {
    slowStart = new SlowStartScheduler(() => 0);
  });
  afterEach(() => slowStart.close());

  const gateWith = (stored = HEALTHY) => gateUnderTest(slowStart, stored);
  const reserved = (gate: LaneGate): Permit => {
    const permit = gate.reserve(Date.now());
    if (!permit) throw new Error('The gate is shut');
    return permit;
  };
  const fail = (gate: LaneGate, times: number) => {
    for (let n = 0; n < times; n++) gate.release(reserved(gate), signalOf('failure'));
  };

  it('is open for as many as an endpoint without failures may have, and has nothing to save', () => {
    const { gate, saved, paces } = gateWith();
    for (let n = 0; n < 100; n++) gate.release(reserved(gate), signalOf('success'));
    const all = Array.from({ length: 10 }, () => reserved(gate));
    for (const permit of all) gate.release(permit, signalOf('success'));
    expect([saved, paces]).toEqual([[], []]);
    expect(gate.availableAtMs(Date.now())).toBe(0);
    expect(gate.isForgettable(Date.now())).toBe(true);
  });

  it('begins with one, and opens again for more when they have not ended after a while', async () => {
    const { gate } = gateWith();
    const permits = [reserved(gate)];
    gate.onAvailable = () => {
      while (permits.length < 10) {
        const permit = gate.reserve(Date.now());
        if (!permit) return;
        permits.push(permit);
      }
    };
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.availableAtMs(Date.now())).toBe(Infinity);
    await waitUntil(() => permits.length === 10);
    // Those that fail without one that succeeds leave their slots empty.
    gate.onAvailable = () => undefined;
    for (const permit of permits.splice(0, 4)) gate.release(permit, signalOf('failure'));
    expect(gate.reserve(Date.now())).toBeNull();
  });

  it('does not wait for a first send after a failure while there is room in the process', () => {
    const { gate } = gateWith();
    gate.release(reserved(gate), signalOf('failure'));
    gate.release(reserved(gate), signalOf('failure'));
    while (slowStart.takeFirst()) continue;
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.availableAtMs(Date.now())).toBe(Infinity);
  });

  it('knows by the limits how many the endpoint may have', () => {
    const { gate } = gateWith();
    gate.applyLimits({ endpointMaxInFlight: 1 }, Date.now());
    expect([reserved(gate), reserved(gate)]).toHaveLength(2);
  });

  it('gives no more permits than its share, and opens again when that grows', () => {
    const { gate } = gateWith();
    gate.release(reserved(gate), signalOf('success'));
    gate.share = 1;
    reserved(gate);
    let opened = 0;
    gate.onAvailable = () => void (opened += 1);
    expect([gate.reserve(Date.now()), gate.availableAtMs(Date.now())]).toEqual([null, Infinity]);
    gate.share = 2;
    expect([opened, gate.availableAtMs(Date.now())]).toEqual([1, 0]);
    expect(gate.reserve(Date.now())).not.toBeNull();
  });

  it('closes when the breaker opens, saves that at once and continues as it was saved', () => {
    const { gate, saved } = gateWith();
    fail(gate, 5);
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.isForgettable(Date.now())).toBe(false);
    const last = saved.at(-1);
    expect(last).toMatchObject({ transition: true, health: { openings: 1, draining: false } });
    expect(saved.filter(({ transition }) => transition)).toHaveLength(1);
    const taken = gateWith(last?.health).gate;
    expect(taken.reserve(Date.now())).toBeNull();
    expect(taken.availableAtMs(Date.now())).toBe(last?.health.openUntilMs);
  });

  it('has one probe, gives its slot back when nothing was fetched or sent, and drains when it succeeds', async () => {
    const { gate, saved, endDrain } = gateWith({
      ...HEALTHY,
      openUntilMs: Date.now() - 1,
      openings: 1,
      score: 50,
    });
    const found = reserved(gate);
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.availableAtMs(Date.now())).toBe(Infinity);
    gate.giveBack(found);
    gate.release(reserved(gate), signalOf('none'));
    gate.release(reserved(gate), signalOf('success'));
    expect(gate.health.draining).toBe(true);
    expect(saved.at(-1)).toMatchObject({ transition: true, health: { openUntilMs: null, draining: true } });
    endDrain();
    await waitUntil(() => !gate.health.draining);
    expect(saved.at(-1)).toMatchObject({ transition: true, health: { draining: false } });
  });

  it('stops draining when the endpoint fails again', () => {
    const { gate } = gateWith({ ...HEALTHY, openUntilMs: Date.now() - 1, openings: 1 });
    for (let n = 0; n < 40; n++) gate.release(reserved(gate), signalOf('success'));
    expect(gate.health.draining).toBe(true);
    fail(gate, 5);
    expect(gate.health.draining).toBe(false);
  });

  it('is closed for as long as the endpoint requests, also when another delivery gets a shorter pause', () => {
    const { gate, saved } = gateWith();
    gate.release(reserved(gate), signalOf('success'));
    const [one, other] = [reserved(gate), reserved(gate)];
    gate.release(one, signalOf('neutral', 60_000));
    gate.release(other, signalOf('neutral', 1000));
    const opensInMs = gate.availableAtMs(Date.now()) - Date.now();
    expect(opensInMs).toBeGreaterThan(50_000);
    expect(gate.reserve(Date.now())).toBeNull();
    expect(saved).toHaveLength(1);
    expect(saved[0]?.health.score).toBe(100);
  });

  it('keeps the pace of the endpoint and of its customer, and hands both on', () => {
    const { gate, pace, paces } = gateWith();
    const nowMs = Date.now();
    gate.setRateLimit({ max: 1, perSeconds: 10 }, nowMs);
    pace.setLimit({ max: 1, perSeconds: 20 }, nowMs);
    const permit = reserved(gate);
    // What counts is the send.
    expect(paces).toEqual([]);
    expect(gate.sendsAtMs(permit)).toBeLessThanOrEqual(nowMs);
    gate.noteSend(nowMs);
    expect(gate.sendsAtMs(permit) - nowMs).toBeGreaterThanOrEqual(19_990);
    gate.release(permit, signalOf('success'));
    expect(gate.reserve(Date.now())).toBeNull();
    const [[endpointNextMs, customerNextMs] = []] = paces;
    expect((endpointNextMs ?? 0) - nowMs).toBeGreaterThanOrEqual(9990);
    expect((customerNextMs ?? 0) - nowMs).toBeGreaterThanOrEqual(19_990);
    gate.setRateLimit(null, Date.now());
    // Now only its customer's: it waits there.
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.availableAtMs(Date.now())).toBe(Infinity);
    pace.close();
  });

  it('takes a start back that found nothing', () => {
    const { gate } = gateWith();
    gate.setRateLimit({ max: 1, perSeconds: 3600 }, Date.now());
    gate.giveBack(reserved(gate));
    expect(gate.availableAtMs(Date.now())).toBeLessThanOrEqual(Date.now());
  });

  it('starts afresh when the endpoint is another one, whatever was underway', () => {
    const { gate, saved, limits } = gateWith();
    for (let n = 0; n < 15; n++) gate.release(reserved(gate), signalOf('success'));
    const before = [reserved(gate), reserved(gate)];
    fail(gate, 5);
    let changes = 0;
    gate.onAvailable = () => void (changes += 1);
    gate.applyLimits({ ...limits, healthEpoch: 1 }, Date.now());
    expect(changes).toBe(1);
    expect(saved.at(-1)?.health).toEqual(HEALTHY);
    for (const permit of before) gate.release(permit, signalOf('failure', 60_000));
    expect(gate.availableAtMs(Date.now())).toBe(0);
    expect(gate.isForgettable(Date.now())).toBe(true);
  });

  it('saves a changed score without calling it a transition', () => {
    const { gate, saved } = gateWith();
    fail(gate, 1);
    expect(saved).toEqual([{ health: { ...HEALTHY, score: 95 }, transition: false }]);
    for (let n = 0; n < 100; n++) gate.release(reserved(gate), signalOf('success'));
    expect(gate.isForgettable(Date.now())).toBe(true);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EndpointHealth, HEALTHY } from '@posthorn/domain';
import { waitUntil } from '@posthorn/testing';
import { CustomerPace } from './customer-pace.js';
import { LaneGrowth } from './lane-growth.js';
import { LaneGate, type Permit } from './lane-gate.js';

describe('the gate of a lane', () => {
  let growth: LaneGrowth;
  beforeEach(() => {
    growth = new LaneGrowth(() => 0);
  });
  afterEach(() => growth.close());

  function gateWith(stored?: EndpointHealth) {
    const told: { health: EndpointHealth; transition: boolean }[] = [];
    const paces: (number | null)[][] = [];
    const customerPace = new CustomerPace();
    const gate = new LaneGate(
      {
        customerPace,
        growth,
        random: () => 0.5,
        keepPace: (endpoint, customer) => paces.push([endpoint, customer]),
        onHealth: (health, transition) => told.push({ health, transition }),
      },
      10,
      stored,
    );
    return { gate, customerPace, told, paces };
  }
  const reserved = (gate: LaneGate): Permit => {
    const permit = gate.reserve(Date.now());
    if (!permit) throw new Error('The gate is shut');
    return permit;
  };
  const fail = (gate: LaneGate, times: number) => {
    for (let n = 0; n < times; n++) gate.end(reserved(gate), 'failure');
  };

  it('is open for as many as an endpoint without failures may have, and has nothing to tell', () => {
    const { gate, told, paces } = gateWith();
    for (let n = 0; n < 100; n++) gate.end(reserved(gate), 'success');
    const all = Array.from({ length: 10 }, () => reserved(gate));
    for (const permit of all) gate.end(permit, 'success');
    expect([told, paces]).toEqual([[], []]);
    expect(gate.opensAtMs(Date.now())).toBe(0);
    expect(gate.isForgettable(Date.now())).toBe(true);
  });

  it('begins with one, and opens again for more when they have not ended after a while', async () => {
    const { gate } = gateWith();
    const permits = [reserved(gate)];
    gate.onChange = () => {
      while (permits.length < 10) {
        const permit = gate.reserve(Date.now());
        if (!permit) return;
        permits.push(permit);
      }
    };
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.opensAtMs(Date.now())).toBe(Infinity);
    await waitUntil(() => permits.length === 10);
    // Those that fail without one that succeeds leave their places empty.
    gate.onChange = () => undefined;
    for (const permit of permits.splice(0, 4)) gate.end(permit, 'failure');
    expect(gate.reserve(Date.now())).toBeNull();
  });

  it('keeps nobody waiting for a first send after a failure while there is room in the process', () => {
    const { gate } = gateWith();
    gate.end(reserved(gate), 'failure');
    gate.end(reserved(gate), 'failure');
    while (growth.takeFirst()) continue;
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.opensAtMs(Date.now())).toBe(Infinity);
  });

  it('knows by the limits how many the endpoint may have', () => {
    const { gate } = gateWith();
    gate.maxInFlight = 1;
    expect([reserved(gate), reserved(gate)]).toHaveLength(2);
  });

  it('shuts when the breaker opens, tells it at once and goes on as it was told', () => {
    const { gate, told } = gateWith();
    fail(gate, 5);
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.isForgettable(Date.now())).toBe(false);
    const last = told.at(-1);
    expect(last).toMatchObject({ transition: true, health: { openings: 1, draining: false } });
    expect(told.filter(({ transition }) => transition)).toHaveLength(1);
    const taken = gateWith(last?.health).gate;
    expect(taken.reserve(Date.now())).toBeNull();
    expect(taken.opensAtMs(Date.now())).toBe(last?.health.openUntilMs);
  });

  it('has one probe, gives its place back when nothing was fetched or sent, and drains when it succeeds', () => {
    const { gate, told } = gateWith({ ...HEALTHY, openUntilMs: Date.now() - 1, openings: 1, score: 50 });
    const found = reserved(gate);
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.opensAtMs(Date.now())).toBe(Infinity);
    gate.giveBack(found);
    gate.end(reserved(gate), 'none');
    gate.end(reserved(gate), 'success');
    expect(gate.draining).toBe(true);
    expect(told.at(-1)).toMatchObject({ transition: true, health: { openUntilMs: null, draining: true } });
    gate.drained();
    expect(told.at(-1)).toMatchObject({ transition: true, health: { draining: false } });
  });

  it('stops draining when the endpoint fails again', () => {
    const { gate } = gateWith({ ...HEALTHY, openUntilMs: Date.now() - 1, openings: 1 });
    for (let n = 0; n < 40; n++) gate.end(reserved(gate), 'success');
    expect(gate.draining).toBe(true);
    fail(gate, 5);
    expect(gate.draining).toBe(false);
  });

  it('is shut for as long as the endpoint asks, also when another delivery asks for less', () => {
    const { gate, told } = gateWith();
    gate.end(reserved(gate), 'success');
    const [one, other] = [reserved(gate), reserved(gate)];
    gate.end(one, 'neutral', 60_000);
    gate.end(other, 'neutral', 1000);
    const opensInMs = gate.opensAtMs(Date.now()) - Date.now();
    expect(opensInMs).toBeGreaterThan(50_000);
    expect(gate.reserve(Date.now())).toBeNull();
    expect(told).toHaveLength(1);
    expect(told[0]?.health.score).toBe(100);
  });

  it('keeps the pace of the endpoint and of its customer, and hands both on', () => {
    const { gate, customerPace, paces } = gateWith();
    const nowMs = Date.now();
    gate.setRateLimit({ max: 1, perSeconds: 10 }, nowMs);
    customerPace.setLimit({ max: 1, perSeconds: 20 }, nowMs);
    const permit = reserved(gate);
    // What counts is the send.
    expect(paces).toEqual([]);
    expect(gate.sendsAtMs(permit)).toBeLessThanOrEqual(nowMs);
    gate.noteSend(nowMs);
    expect(gate.sendsAtMs(permit) - nowMs).toBeGreaterThanOrEqual(19_990);
    gate.end(permit, 'success');
    expect(gate.reserve(Date.now())).toBeNull();
    const [[endpointNextMs, customerNextMs] = []] = paces;
    expect((endpointNextMs ?? 0) - nowMs).toBeGreaterThanOrEqual(9990);
    expect((customerNextMs ?? 0) - nowMs).toBeGreaterThanOrEqual(19_990);
    gate.setRateLimit(null, Date.now());
    // Now only its customer's: it waits for its turn there.
    expect(gate.reserve(Date.now())).toBeNull();
    expect(gate.opensAtMs(Date.now())).toBe(Infinity);
    customerPace.close();
  });

  it('takes a start back that found nothing', () => {
    const { gate } = gateWith();
    gate.setRateLimit({ max: 1, perSeconds: 3600 }, Date.now());
    gate.giveBack(reserved(gate));
    expect(gate.opensAtMs(Date.now())).toBeLessThanOrEqual(Date.now());
  });

  it('starts afresh when told to, whatever was underway', () => {
    const { gate, told } = gateWith();
    for (let n = 0; n < 15; n++) gate.end(reserved(gate), 'success');
    const before = [reserved(gate), reserved(gate)];
    fail(gate, 5);
    let changes = 0;
    gate.onChange = () => void (changes += 1);
    gate.reset();
    expect(changes).toBe(1);
    expect(told.at(-1)?.health).toEqual(HEALTHY);
    for (const permit of before) gate.end(permit, 'failure', 60_000);
    expect(gate.opensAtMs(Date.now())).toBe(0);
    expect(gate.isForgettable(Date.now())).toBe(true);
  });

  it('tells a changed score without calling it a transition', () => {
    const { gate, told } = gateWith();
    fail(gate, 1);
    expect(told).toEqual([{ health: { ...HEALTHY, score: 95 }, transition: false }]);
    for (let n = 0; n < 100; n++) gate.end(reserved(gate), 'success');
    expect(gate.isForgettable(Date.now())).toBe(true);
  });
});

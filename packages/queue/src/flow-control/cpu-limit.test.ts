import { describe, expect, it } from '@jest/globals';
import { limitByCpuUse, type CpuLimited } from './cpu-limit.js';

function customer(starts: number, inFlight = 10, cpuLimit = Infinity): CpuLimited {
  const self = {
    starts,
    inFlight,
    limit: 20,
    cpuLimit,
    limitByCpu(inFlightMax: number) {
      self.cpuLimit = inFlightMax;
    },
  };
  return self;
}

describe('the CPU limit', () => {
  it('takes a quarter from who begins more than twice what the others do, down to 2, while the loop is busy', () => {
    const flood = customer(400);
    const quiet = [customer(1, 1), customer(2, 1), customer(0, 0)];
    const seen: number[] = [];
    for (let round = 0; round < 8; round++) {
      Object.assign(flood, { starts: 400, inFlight: Math.min(10, flood.cpuLimit) });
      Object.assign(quiet[0]!, { starts: 1 });
      limitByCpuUse([flood, ...quiet], 0.95);
      seen.push(flood.cpuLimit);
    }
    expect(seen).toEqual([7, 5, 3, 2, 2, 2, 2, 2]);
    expect(quiet.map(({ cpuLimit }) => cpuLimit)).toEqual([Infinity, Infinity, Infinity]);
  });

  it('counts from zero each time', () => {
    const flood = customer(400);
    limitByCpuUse([flood, customer(1)], 0.5);
    expect(flood.starts).toBe(0);
  });

  it('leaves equals alone, one that is alone, and all while the loop has pauses', () => {
    const equals = [customer(100), customer(150), customer(120)];
    limitByCpuUse(equals, 1);
    const alone = customer(400);
    limitByCpuUse([alone, customer(0)], 1);
    const besidePauses = customer(400);
    limitByCpuUse([besidePauses, customer(1)], 0.8);
    expect([...equals, alone, besidePauses].map(({ cpuLimit }) => cpuLimit)).toEqual(Array(5).fill(Infinity));
  });

  it('does not count sends that hang: they begin rarely', () => {
    const hanging = customer(3, 20);
    limitByCpuUse([hanging, customer(2), customer(2)], 1);
    expect(hanging.cpuLimit).toBe(Infinity);
  });

  it('gives back to who begins no more than the others, also while the loop is busy', () => {
    const slowed = customer(4, 2, 2);
    const hanging = customer(0, 2, 2);
    const flood = customer(400, 2, 2);
    limitByCpuUse([slowed, hanging, flood, customer(5), customer(6)], 0.95);
    expect([slowed, hanging, flood].map(({ cpuLimit }) => cpuLimit)).toEqual([3, 3, 2]);
  });

  it('gives back a quarter at a time, up to the limits, once there is room or no other customer', () => {
    const flood = customer(100, 2, 2);
    const seen: number[] = [];
    for (const [utilization, others] of [
      [0.5, 3],
      [0.8, 3],
      [0.5, 3],
      ...Array.from({ length: 7 }, () => [0.99, 0] as const),
    ] as const) {
      flood.starts = 100;
      limitByCpuUse([flood, customer(others)], utilization);
      seen.push(flood.cpuLimit);
    }
    expect(seen).toEqual([3, 3, 4, 5, 7, 9, 12, 15, 19, Infinity]);
  });
});

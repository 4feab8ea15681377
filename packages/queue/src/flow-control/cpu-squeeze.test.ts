import { describe, expect, it } from '@jest/globals';
import { squeezeByCpu, type Squeezable } from './cpu-squeeze.js';

function customer(starts: number, inFlight = 10, squeezedTo = Infinity): Squeezable {
  const self = {
    starts,
    inFlight,
    limit: 20,
    squeezedTo,
    squeeze(inFlightMax: number) {
      self.squeezedTo = inFlightMax;
    },
  };
  return self;
}

describe('squeezing by CPU', () => {
  it('takes a quarter from who begins more than twice what the others do, down to 2, while the loop is busy', () => {
    const flood = customer(400);
    const quiet = [customer(1, 1), customer(2, 1), customer(0, 0)];
    const seen: number[] = [];
    for (let turn = 0; turn < 8; turn++) {
      Object.assign(flood, { starts: 400, inFlight: Math.min(10, flood.squeezedTo) });
      Object.assign(quiet[0]!, { starts: 1 });
      squeezeByCpu([flood, ...quiet], 0.95);
      seen.push(flood.squeezedTo);
    }
    expect(seen).toEqual([7, 5, 3, 2, 2, 2, 2, 2]);
    expect(quiet.map(({ squeezedTo }) => squeezedTo)).toEqual([Infinity, Infinity, Infinity]);
  });

  it('counts anew each time', () => {
    const flood = customer(400);
    squeezeByCpu([flood, customer(1)], 0.5);
    expect(flood.starts).toBe(0);
  });

  it('leaves equals alone, one that is alone, and everybody while the loop has pauses', () => {
    const equals = [customer(100), customer(150), customer(120)];
    squeezeByCpu(equals, 1);
    const alone = customer(400);
    squeezeByCpu([alone, customer(0)], 1);
    const besidePauses = customer(400);
    squeezeByCpu([besidePauses, customer(1)], 0.8);
    expect([...equals, alone, besidePauses].map(({ squeezedTo }) => squeezedTo)).toEqual(
      Array(5).fill(Infinity),
    );
  });

  it('does not count sends that hang: they begin rarely', () => {
    const hanging = customer(3, 20);
    squeezeByCpu([hanging, customer(2), customer(2)], 1);
    expect(hanging.squeezedTo).toBe(Infinity);
  });

  it('gives back to who begins no more than the others, also while the loop is busy', () => {
    const slowed = customer(4, 2, 2);
    const hanging = customer(0, 2, 2);
    const flood = customer(400, 2, 2);
    squeezeByCpu([slowed, hanging, flood, customer(5), customer(6)], 0.95);
    expect([slowed, hanging, flood].map(({ squeezedTo }) => squeezedTo)).toEqual([3, 3, 2]);
  });

  it('gives back a quarter at a time, up to the limits, once there is room or nobody else', () => {
    const flood = customer(100, 2, 2);
    const seen: number[] = [];
    for (const [utilization, others] of [
      [0.5, 3],
      [0.8, 3],
      [0.5, 3],
      ...Array.from({ length: 7 }, () => [0.99, 0] as const),
    ] as const) {
      flood.starts = 100;
      squeezeByCpu([flood, customer(others)], utilization);
      seen.push(flood.squeezedTo);
    }
    expect(seen).toEqual([3, 3, 4, 5, 7, 9, 12, 15, 19, Infinity]);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { laneShares } from './lane-shares.js';

const busy = (endpointMax: number) => ({ endpointMax, busy: true });
const idle = (endpointMax: number) => ({ endpointMax, busy: false });

describe('the shares of a customer’s lanes', () => {
  it('give a lane that is alone all its endpoint may have', () => {
    expect(laneShares(20, [busy(10)])).toEqual([10]);
    expect(laneShares(5, [busy(10)])).toEqual([5]);
  });

  it('split the budget evenly, and give what one cannot use to the others', () => {
    expect(laneShares(20, [busy(10), busy(10), busy(10), busy(10)])).toEqual([5, 5, 5, 5]);
    expect(laneShares(20, [busy(2), busy(20), busy(20)])).toEqual([2, 9, 9]);
  });

  it('keep one slot free for the next job of idle lanes', () => {
    expect(laneShares(10, [idle(10), busy(10)])).toEqual([1, 9]);
    expect(laneShares(10, [idle(10), busy(20), busy(20), idle(5)])).toEqual([1, 5, 4, 1]);
    expect(laneShares(20, [idle(10), busy(10)])).toEqual([1, 10]);
    expect(laneShares(1, [idle(10), busy(10)])).toEqual([1, 1]);
  });

  it('never exceed an endpoint’s cap, nor the budget unless there are more busy lanes than budget', () => {
    const demand = fc.record({ endpointMax: fc.integer({ min: 1, max: 50 }), busy: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.array(demand, { maxLength: 30 }), (budget, lanes) => {
        const shares = laneShares(budget, lanes);
        const busyShares = shares.filter((_, i) => lanes[i]!.busy);
        shares.forEach((share, i) => {
          expect(share).toBeGreaterThanOrEqual(1);
          expect(share).toBeLessThanOrEqual(lanes[i]!.endpointMax);
        });
        const sum = busyShares.reduce((total, share) => total + share, 0);
        expect(sum).toBeLessThanOrEqual(Math.max(budget, busyShares.length));
        // Nothing but the slot of idle lanes is left unused while a lane could take it.
        const kept = busyShares.length < lanes.length ? 1 : 0;
        const couldTake = lanes.some((lane, i) => lane.busy && shares[i]! < lane.endpointMax);
        if (couldTake) expect(sum).toBeGreaterThanOrEqual(budget - kept);
      }),
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import { laneLimits } from './lane-limits.js';

const defaults = { customerInFlightMax: 20, endpointInFlightMax: 10 };

describe('the limits of a lane', () => {
  it('are those of the endpoint and its customer', () => {
    const customer = { maxInFlight: 3, rateLimit: { max: 5, perSeconds: 1 } };
    const target = {
      kind: 'ready',
      customer,
      maxInFlight: 2,
      rateLimit: { max: 1, perSeconds: 1 },
      healthEpoch: 4,
    } as const;
    expect(laneLimits(target, defaults)).toEqual({
      customerRateLimit: { max: 5, perSeconds: 1 },
      endpointRateLimit: { max: 1, perSeconds: 1 },
      healthEpoch: 4,
      customerMaxInFlight: 3,
      endpointMaxInFlight: 2,
    });
  });

  it('are the defaults, and no rate limit, where nothing was set', () => {
    const customer = { maxInFlight: null, rateLimit: null };
    const target = { kind: 'ready', customer, maxInFlight: null, rateLimit: null, healthEpoch: 0 } as const;
    expect(laneLimits(target, defaults)).toEqual({
      customerRateLimit: null,
      endpointRateLimit: null,
      healthEpoch: 0,
      customerMaxInFlight: 20,
      endpointMaxInFlight: 10,
    });
  });

  it('leave the customer’s out for an endpoint that was deleted or does not open', () => {
    for (const target of [undefined, { kind: 'unreadable' } as const]) {
      const limits = laneLimits(target, defaults);
      expect(limits).not.toHaveProperty('customerRateLimit');
      expect(limits).not.toHaveProperty('customerMaxInFlight');
      expect(limits.endpointMaxInFlight).toBe(10);
    }
  });
});

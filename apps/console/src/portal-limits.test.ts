import { describe, expect, it } from '@jest/globals';
import { AppError, type Caller } from '@posthorn/http';

import { type EndpointLimits, refuseRaisedLimits } from './portal-limits.js';

const portal: Caller = { kind: 'portal', id: 'p', customerId: 'acme', expiresAt: new Date(0) };
const key: Caller = { kind: 'key', id: 'k', scopes: ['admin'], customerId: 'acme', rateLimit: null };
const perSecond = (max: number, perSeconds = 1) => ({ max, perSeconds });

function raised(
  caller: Caller,
  current: Partial<EndpointLimits>,
  next: Partial<EndpointLimits>,
): string[] | undefined {
  const none = { maxInFlight: null, rateLimit: null };
  try {
    refuseRaisedLimits(caller, { ...none, ...current }, { ...none, ...next }, { maxInFlight: 10 });
    return [];
  } catch (error) {
    return error instanceof AppError && error.code === 'forbidden'
      ? error.errors?.map(({ path }) => path)
      : undefined;
  }
}

describe('limits in the portal', () => {
  it.each([
    ['a lower number in flight', { maxInFlight: 5 }, { maxInFlight: 4 }],
    ['less in flight than by default', {}, { maxInFlight: 9 }],
    ['the default where it is less', { maxInFlight: 20 }, { maxInFlight: null }],
    ['a rate limit where there was none', {}, { rateLimit: perSecond(1_000_000) }],
    ['a slower rate', { rateLimit: perSecond(10) }, { rateLimit: perSecond(9) }],
    ['the same rate in other words', { rateLimit: perSecond(10) }, { rateLimit: perSecond(600, 60) }],
    ['no change', { maxInFlight: 50 }, { maxInFlight: 50 }],
  ])('may become %s', (_what, current, next) => {
    expect(raised(portal, current, next)).toEqual([]);
  });

  it.each([
    ['more in flight', { maxInFlight: 4 }, { maxInFlight: 5 }, ['maxInFlight']],
    ['more in flight than by default', {}, { maxInFlight: 11 }, ['maxInFlight']],
    ['the default where it is more', { maxInFlight: 4 }, { maxInFlight: null }, ['maxInFlight']],
    ['a faster rate', { rateLimit: perSecond(10) }, { rateLimit: perSecond(601, 60) }, ['rateLimit']],
    ['no rate limit any more', { rateLimit: perSecond(10) }, { rateLimit: null }, ['rateLimit']],
    [
      'both',
      { maxInFlight: 1, rateLimit: perSecond(1) },
      { maxInFlight: 2, rateLimit: perSecond(2) },
      ['maxInFlight', 'rateLimit'],
    ],
  ])('may not become %s; a key may', (_what, current, next, paths) => {
    expect(raised(portal, current, next)).toEqual(paths);
    expect(raised(key, current, next)).toEqual([]);
  });
});

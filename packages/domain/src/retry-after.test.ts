import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRetryAfterMs, retryAfterMaxMs } from './retry-after.js';

const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0);

describe('parseRetryAfterMs', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
  ])('reads seconds: %j', (value, waitMs) => {
    expect(parseRetryAfterMs(value, nowMs)).toBe(waitMs);
  });

  it.each(['Fri, 20 Nov 2026 12:02:03 GMT', 'Friday, 20-Nov-26 12:02:03 GMT', 'Fri Nov 20 12:02:03 2026'])(
    'reads every form of an HTTP date: %s',
    (value) => {
      expect(parseRetryAfterMs(value, nowMs)).toBe(123_000);
    },
  );

  it('reads the space-padded day of the asctime form', () => {
    expect(parseRetryAfterMs('Sun Nov  1 00:00:10 2026', Date.UTC(2026, 10, 1))).toBe(10_000);
  });

  it('takes a two-digit year for the latest that is not more than 50 years ahead', () => {
    expect(parseRetryAfterMs('Sunday, 06-Nov-94 08:49:37 GMT', nowMs)).toBe(0);
    expect(parseRetryAfterMs('Friday, 20-Nov-76 12:00:00 GMT', nowMs)).toBe(retryAfterMaxMs);
    expect(parseRetryAfterMs('Sunday, 20-Nov-77 12:00:00 GMT', nowMs)).toBe(0);
    expect(parseRetryAfterMs('Friday, 01-Jan-00 00:00:05 GMT', Date.UTC(2099, 11, 31, 23, 59, 59))).toBe(
      6_000,
    );
  });

  it('allows a leap second', () => {
    expect(parseRetryAfterMs('Fri, 20 Nov 2026 12:00:60 GMT', nowMs)).toBe(60_000);
  });

  it('asks for no wait when the date is past', () => {
    expect(parseRetryAfterMs('Fri, 20 Nov 2026 11:59:59 GMT', nowMs)).toBe(0);
  });

  it('is capped at six hours', () => {
    expect(retryAfterMaxMs).toBe(6 * 3_600_000);
    for (const value of ['21601', '9'.repeat(400), 'Sat, 21 Nov 2026 12:00:00 GMT']) {
      expect(parseRetryAfterMs(value, nowMs)).toBe(retryAfterMaxMs);
    }
    expect(parseRetryAfterMs('21600', nowMs)).toBe(retryAfterMaxMs);
  });

  it.each([
    undefined,
    '',
    '-1',
    '+1',
    '1.5',
    '1e3',
    '0x10',
    '120, 120',
    'soon',
    '2026-11-20T12:02:03Z',
    'Fri, 20 Nov 2026 12:02:03 +0100',
    'Fri, 20 Nov 2026 24:00:00 GMT',
    'Fri, 20 Nov 2026 12:60:00 GMT',
    'Fri, 20 Nov 2026 12:00:61 GMT',
    'Fri, 31 Nov 2026 12:00:00 GMT',
    'Fri, 00 Nov 2026 12:00:00 GMT',
    'Fri, 20 Foo 2026 12:00:00 GMT',
    'fri, 20 nov 2026 12:02:03 gmt',
  ])('ignores %j', (value) => {
    expect(parseRetryAfterMs(value, nowMs)).toBeNull();
  });

  it('reads back every date that it is given in the preferred form', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: retryAfterMaxMs / 1000 }), (seconds) => {
        const value = new Date(nowMs + seconds * 1000).toUTCString();
        expect(parseRetryAfterMs(value, nowMs)).toBe(seconds * 1000);
      }),
    );
  });
});

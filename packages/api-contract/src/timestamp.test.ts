import { describe, expect, it } from '@jest/globals';

import { parseTimestamp } from './timestamp.js';

describe('parseTimestamp', () => {
  it.each([
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00:00.1239Z', '2026-01-31T12:00:00.123Z'],
    ['2026-01-31T12:00:00+05:30', '2026-01-31T06:30:00.000Z'],
    ['2024-02-29t00:00:00z', '2024-02-29T00:00:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ])('reads %s', (text, expected) => {
    const ms = parseTimestamp(text);
    expect(ms === null ? null : new Date(ms).toISOString()).toBe(expected);
  });

  it.each([
    ['no offset', '2026-01-31T12:00:00'],
    ['a day alone', '2026-01-31'],
    ['a day that does not exist', '2026-02-30T00:00:00Z'],
    ['a leap day of another year', '2025-02-29T00:00:00Z'],
    ['an hour past the day', '2026-01-31T24:00:00Z'],
    ['an offset past the day', '2026-01-31T12:00:00+24:00'],
    ['a year that the offset carries past 9999', '9999-12-31T23:59:59-12:00'],
    ['a year that the offset carries below 1', '0001-01-01T00:00:00+12:00'],
    ['a number', '1769860800'],
    ['text around it', ' 2026-01-31T12:00:00Z'],
  ])('refuses %s', (_what, text) => {
    expect(parseTimestamp(text)).toBeNull();
  });
});

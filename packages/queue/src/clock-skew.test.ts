import { describe, expect, it } from '@jest/globals';
import { createClockSkew } from './clock-skew.js';

describe('the clock skew', () => {
  it('is unknown before it was measured, and then how far this clock is ahead', () => {
    const skew = createClockSkew();
    expect(skew.ms()).toBeNull();
    skew.note(10_000, 7_505, 10_010);
    expect(skew.ms()).toBe(2_500);
  });

  it('trusts the quickest answer of the last minute, not a slow one that came later', () => {
    const skew = createClockSkew();
    skew.note(10_000, 10_001, 10_002);
    skew.note(11_000, 11_000, 13_000);
    expect(skew.ms()).toBe(0);
    skew.note(80_000, 79_000, 80_100);
    expect(skew.ms()).toBe(1_050);
  });
});

import { describe, expect, it } from '@jest/globals';

import { multipleOf } from './multiple-of.js';

describe('multipleOf', () => {
  it.each([
    [19.99, 0.01],
    [0.3, 0.1],
    [1.1, 0.1],
    [-4.35, 0.01],
    [0, 0.01],
    [-0, 7],
    [1e308, 0.5],
    [1e21, 3e-7 / 3],
    [1e21, 5],
    [9007199254740991, 1],
    [5e-324, 5e-324],
    [1e308, 5e-324],
    [0.0075, 0.0001],
    [1e-8, 1e-8],
    [123456789.01, 0.01],
  ])('takes %d for a multiple of %d', (value, divisor) => expect(multipleOf(divisor)(value)).toBe(true));

  it.each([
    [19.999, 0.01],
    [0.35, 0.1],
    [5e-324, 0.01],
    [1e-7, 1e21],
    [1e21, 7],
    [1e308, 3],
    [7, 2],
    [Infinity, 1],
    [9007199254740991, 2],
  ])('takes %d for no multiple of %d', (value, divisor) => expect(multipleOf(divisor)(value)).toBe(false));

  it('agrees with whole numbers scaled to cents, all of them up to 100', () => {
    for (let cents = 0; cents <= 10_000; cents += 1) {
      expect(multipleOf(0.01)(cents / 100)).toBe(true);
      expect(multipleOf(0.05)(cents / 100)).toBe(cents % 5 === 0);
    }
  });
});

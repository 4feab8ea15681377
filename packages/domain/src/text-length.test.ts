import { describe, expect, it } from '@jest/globals';

import { isLongerThan } from './text-length.js';

describe('whether a text is longer than allowed', () => {
  it.each([
    ['', 0, false],
    ['abc', 3, false],
    ['abcd', 3, true],
    ['é', 1, false],
    ['😀😀😀', 3, false],
    ['😀😀😀', 2, true],
    ['😀😀😀', 1, true],
    ['a😀', 2, false],
    // A letter and its accent, as Postgres counts them too.
    ['e\u0301', 1, true],
    ['\ud83d', 1, false],
    ['\ud83d\ud83d', 1, true],
  ])('%j, %i: %s', (text, max, longer) => {
    expect(isLongerThan(text, max)).toBe(longer);
  });
});

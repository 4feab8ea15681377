import { describe, expect, it } from '@jest/globals';

import { shortTime, textTable } from './text-table.js';

describe('A table', () => {
  it('lines its columns up and ends no line with spaces', () => {
    expect(
      textTable(
        ['ID', 'NAME', 'NOTE'],
        [
          ['1', 'a long one', '-'],
          ['22', 'b', ''],
        ],
      ),
    ).toBe('ID  NAME        NOTE\n1   a long one  -\n22  b\n');
  });

  it('lets no control characters of others through to the terminal', () => {
    expect(textTable(['ERROR'], [['\u001b]0;owned\u0007 red\u009b31m\nnext line']])).toBe(
      'ERROR\n ]0;owned  red 31m next line\n',
    );
  });
});

describe('A time', () => {
  it('is shown to the second, and as a dash when there is none', () => {
    expect(shortTime('2026-01-31T12:00:00.123Z')).toBe('2026-01-31 12:00:00');
    expect(shortTime(null)).toBe('-');
  });
});

import { describe, expect, it } from '@jest/globals';

import { linearPattern, UnusablePattern } from './linear-pattern.js';

const patterns = [
  '^[a-z_]+$',
  '^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$',
  '^.$',
  '^.{2}$',
  '^\\s$',
  '^\\S$',
  '^[\\s]$',
  '^[^\\S]$',
  '^[\\Sa]$',
  '^[^]$',
  '[]',
  '^[.]$',
  '^[[:alpha:]$',
  '^[(?=]$',
  '^[\\]]$',
  '^[\\b]$',
  '\\ba\\b',
  '^\\d\\D\\w\\W$',
  '^\\0$',
  '^\\x41\\u0041\\u{41}$',
  '^\\cJ$',
  '^\\ud83d\\ude00$',
  '^\\u{1F600}$',
  '^[\\u{1F600}-\\u{1F64F}]$',
  '^\\p{L}+$',
  '^\\P{Lu}$',
  '^\\p{Script=Greek}$',
  '^(?<year>\\d{4})-(?:a|b)?$',
  '^\\/\\.\\$\\v\\f$',
  'a$',
  '^a',
  'a|',
  '^a*?b+?c??$',
  '^[\\w-]+$',
];

const texts = [
  '',
  'a',
  'ab',
  'order_paid',
  'a\n',
  '\n',
  '\r',
  '\v',
  '\b',
  '\0',
  '\u2028',
  '\u00a0',
  '\ufeff',
  ' ',
  '.',
  '[',
  ']',
  ':',
  'a]',
  '[]',
  ':]',
  '(',
  '😀',
  '😀😀',
  '\ud800',
  'α',
  'é',
  'E',
  'AAA',
  '2026-',
  '2026-a',
  'someone@example.com',
  'some one@example.com',
  '/.$\v\f',
  '1a_ ',
  '1aa ',
  'aabbc',
  'a b',
  'x-y',
];

describe('a pattern in linear time', () => {
  it.each(patterns)('means what it means to RegExp: %s', (source) => {
    const pattern = linearPattern(source);
    const model = new RegExp(source, 'u');
    for (const text of texts) expect([text, pattern.test(text)]).toEqual([text, model.test(text)]);
  });

  it.each([
    '(?=a)',
    '(?!a)',
    '(?<=a)b',
    '(?<!a)b',
    '(a)\\1',
    '(?<n>a)\\k<n>',
    'a{1001}',
    '\\p{Emoji_Component=x}',
    '(a{90}){90}',
  ])('is refused where it would have to be another: %s', (source) =>
    expect(() => linearPattern(source)).toThrow(UnusablePattern),
  );
});

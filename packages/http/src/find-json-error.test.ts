import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { findJsonError } from './find-json-error.js';

const jsonErrorPosition = (text: string) => findJsonError(text)?.position ?? null;

describe('findJsonError', () => {
  it.each([
    ['', 0],
    ['{"a": nope}', 6],
    ['{"a": 1,}', 8],
    ['[1, 2', 5],
    ['[1,]', 3],
    ['{a: 1}', 1],
    ["{'a': 1}", 1],
    ['{"a" 1}', 5],
    ['{"a": 01}', 7],
    ['"a\nb"', 0],
    ['"\\x"', 0],
    ['{} {}', 3],
    ['[1}', 2],
    ['{"a":1]', 6],
    ['{"a":{"b":[', 11],
    ['NaN', 0],
    ['\ufeff{}', 0],
    ['[,1]', 1],
    ['{1:2}', 1],
    ['{"a":}', 5],
  ])('of %j is %d', (text, position) => expect(jsonErrorPosition(text)).toBe(position));

  it.each([
    ['{"a": 1,}', 'a name in double quotes'],
    ["{'a': 1}", 'a name in double quotes, or }'],
    ['{"a" 1}', 'a colon'],
    ['[1,]', 'a value'],
    ['[1 2]', 'a comma or ]'],
    ['{"a": "b" "c": 1}', 'a comma or }'],
    ['{} {}', 'nothing more'],
    ['{"a": "b\nc"}', expect.stringContaining('line breaks as \\n')],
  ])('of %j says what is expected there', (text, expected) =>
    expect(findJsonError(text)).toMatchObject({ expected }),
  );

  it('is nowhere in JSON, and somewhere in what JSON.parse refuses', () => {
    fc.assert(fc.property(fc.json(), (text) => expect(jsonErrorPosition(text)).toBeNull()));
    const almost = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', '"', '[', ':', '0', '\\', ' ', 'x'))
      .map(([text, at, put]) => {
        const index = at % (text.length + 1);
        return text.slice(0, index) + put + text.slice(index + 1);
      });
    fc.assert(
      fc.property(almost, (text) => expect(jsonErrorPosition(text) === null).toBe(isJson(text))),
      {
        numRuns: 2_000,
      },
    );
  });

  it('needs no stack, however long and deep the text is', () => {
    expect(jsonErrorPosition('['.repeat(1_000_000))).toBe(1_000_000);
    expect(jsonErrorPosition(`"${'a'.repeat(5_000_000)}`)).toBe(0);
    expect(jsonErrorPosition(`["${'\\n'.repeat(2_000_000)}",x`)).toBe(4_000_004);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readTopLevelElements, readTopLevelMembers } from './json-source.js';

describe('readTopLevelMembers', () => {
  it('gives the source of each value unchanged', () => {
    const text =
      ' {"big": 12345678901234567890 ,"float":1.0,"exp":-1.5E+10\n,\t"text":"a\\"b\\\\","list":[1, {"x":"]}"} ],' +
      '"object":{"a" : {"b":[]}}\r\n,"yes":true,"no":false,"nothing":null,"empty":{},"none":[]} ';
    expect(Object.fromEntries(readTopLevelMembers(text))).toEqual({
      big: '12345678901234567890',
      float: '1.0',
      exp: '-1.5E+10',
      text: '"a\\"b\\\\"',
      list: '[1, {"x":"]}"} ]',
      object: '{"a" : {"b":[]}}',
      yes: 'true',
      no: 'false',
      nothing: 'null',
      empty: '{}',
      none: '[]',
    });
  });

  it('takes the last of duplicate keys, also when one is spelled with escapes', () => {
    const text = '{"data":1,"d\\u0061ta":2,"other":0}';
    expect([...readTopLevelMembers(text)]).toEqual([
      ['data', '2'],
      ['other', '0'],
    ]);
    expect(JSON.parse(text)).toEqual({ data: 2, other: 0 });
  });

  it('sees only the top level', () => {
    expect([...readTopLevelMembers('{"a":{"data":1},"b":"{\\"data\\":2}"}').keys()]).toEqual(['a', 'b']);
  });

  it('keeps keys that mean something to JavaScript objects', () => {
    expect([...readTopLevelMembers('{"__proto__":1,"constructor":2,"":3}')]).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
      ['', '3'],
    ]);
  });

  it('gives no members for an empty object', () => {
    expect(readTopLevelMembers('{}').size).toBe(0);
    expect(readTopLevelMembers(' {\n} ').size).toBe(0);
  });

  it('agrees with JSON.parse on every object, however it is spaced', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()),
        spacing,
        (object, indent) => {
          const text = JSON.stringify(object, null, indent);
          expect(valuesOf(readTopLevelMembers(text))).toEqual(
            new Map(Object.entries(JSON.parse(text) as object)),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('agrees with JSON.parse on strings full of quotes, backslashes and brackets', () => {
    const hard = fc.string({
      unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\n', 'a'),
    });
    fc.assert(
      fc.property(
        fc.dictionary(hard, fc.oneof(hard, fc.array(hard), fc.dictionary(hard, hard))),
        (object) => {
          const text = JSON.stringify(object);
          expect(valuesOf(readTopLevelMembers(text))).toEqual(new Map(Object.entries(object)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['[]', '"a"', '1', 'null', ''])('throws when the text is not an object: %j', (text) => {
    expect(() => readTopLevelMembers(text)).toThrow(SyntaxError);
  });

  it.each(['{"a', '{"a":"b', '{"a":"b\\"', '{"a":[1', '{"a":{"b":"\\"'])(
    'throws on text that ends too early: %j',
    (text) => {
      expect(() => readTopLevelMembers(text)).toThrow(SyntaxError);
    },
  );
});

describe('readTopLevelElements', () => {
  it('gives the source of each element unchanged', () => {
    expect(readTopLevelElements(' [ 1.0 ,"],", {"a":[1]},[[]], 12345678901234567890\n] ')).toEqual([
      '1.0',
      '"],"',
      '{"a":[1]}',
      '[[]]',
      '12345678901234567890',
    ]);
  });

  it('gives none for an empty array', () => {
    expect(readTopLevelElements('[ ]')).toEqual([]);
  });

  it('agrees with JSON.parse on every array', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), spacing, (array, indent) => {
        const text = JSON.stringify(array, null, indent);
        expect(readTopLevelElements(text).map((source) => JSON.parse(source) as unknown)).toEqual(
          JSON.parse(text),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('throws when the text is not an array', () => {
    expect(() => readTopLevelElements('{}')).toThrow(SyntaxError);
  });
});

const spacing = fc.constantFrom('', ' ', '\t', '\r\n ');

function valuesOf(members: Map<string, string>): Map<string, unknown> {
  return new Map([...members].map(([key, source]) => [key, JSON.parse(source) as unknown]));
}

import { describe, expect, it } from '@jest/globals';

import { compileEventSchema } from './event-schema.js';

function errorsOf(schema: unknown, data: unknown) {
  const compiled = compileEventSchema(schema);
  if (!compiled.ok) throw new Error(compiled.message);
  return compiled.check(data);
}

/** Objects in each other, so many levels. */
function nested(levels: number, name: string): object {
  let value = {};
  for (let level = 1; level < levels; level += 1) value = { [name]: value };
  return value;
}

describe('an event schema', () => {
  it('names the place of what does not fit by a dotted path', () => {
    const schema = { properties: { 'a/b': { properties: { list: { items: { type: 'integer' } } } } } };
    expect(errorsOf(schema, { 'a/b': { list: [1, 2] } })).toEqual([]);
    expect(errorsOf(schema, { 'a/b': { list: [1, 'x'] } })).toEqual([
      { path: 'data.a/b.list.1', message: 'must be integer' },
    ]);
  });

  it('names a member that is not allowed, and repeats no values', () => {
    const closed = { type: 'object', properties: { kind: { enum: ['a'] } }, additionalProperties: false };
    expect(errorsOf(closed, { extra: 1 })).toEqual([
      { path: 'data', message: 'must NOT have additional properties (extra)' },
    ]);
    expect(JSON.stringify(errorsOf(closed, { kind: 'secret' }))).not.toContain('secret');
  });

  it('checks formats', () => {
    expect(errorsOf({ format: 'date-time' }, '2026-01-31T12:00:00Z')).toEqual([]);
    expect(errorsOf({ format: 'email' }, 'nobody')).toHaveLength(1);
  });

  it('stops at the first error of a large value', () => {
    expect(
      errorsOf(
        { items: { type: 'string' } },
        Array.from({ length: 100_000 }, (_, n) => n),
      ),
    ).toHaveLength(1);
  });

  it('may be true or false, and resolves its own definitions', () => {
    expect(errorsOf(true, 1)).toEqual([]);
    expect(errorsOf(false, 1)).toHaveLength(1);
    const schema = { $ref: '#/$defs/id', $defs: { id: { type: 'string' } } };
    expect(errorsOf(schema, 1)).toEqual([{ path: 'data', message: 'must be string' }]);
  });

  it('leaves nothing behind: the same $id can be used by several, and compiled again', () => {
    const schema = (type: string) => ({ $id: 'https://example.com/order', type });
    expect(errorsOf(schema('string'), 'x')).toEqual([]);
    expect(errorsOf(schema('integer'), 'x')).toHaveLength(1);
    expect(errorsOf(schema('string'), 'x')).toEqual([]);
  });

  it.each([
    ['an unknown type', { type: 'money' }],
    ['a remote reference', { $ref: 'https://example.com/other.json' }],
    ['another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }],
    ['a broken pattern', { pattern: '(' }],
    ['a huge one', { description: 'x'.repeat(70_000) }],
    ['no schema at all', 'string'],
    ['one that never ends', { $ref: '#' }],
    ['one that never ends for an object', { type: 'object', allOf: [{ $ref: '#' }] }],
    [
      'one with too many large patterns',
      { allOf: Array.from({ length: 20 }, (_, n) => ({ pattern: `${n}.{1000}` })) },
    ],
  ])('is refused with a message: %s', (_, schema) => {
    expect(compileEventSchema(schema)).toEqual({
      ok: false,
      path: expect.any(String),
      message: expect.stringMatching(/\w{3,}/),
    });
  });

  it('may refer to itself as a whole, with or without $id', () => {
    const tree = { type: 'object', properties: { value: { type: 'integer' }, next: { $ref: '#' } } };
    for (const schema of [tree, { ...tree, $id: 'https://example.com/tree' }]) {
      expect(errorsOf(schema, { value: 1, next: { value: 2 } })).toEqual([]);
      expect(errorsOf(schema, { value: 1, next: { value: 'x' } })).toEqual([
        { path: 'data.next.value', message: 'must be integer' },
      ]);
    }
  });

  it('keeps nothing of an $id that stands further in', () => {
    const inner = { $id: 'https://example.com/inner', $anchor: 'here', type: 'string' };
    expect(
      errorsOf({ properties: { a: inner, b: { $ref: 'https://example.com/inner#here' } } }, { b: 'x' }),
    ).toEqual([]);
    expect(compileEventSchema({ $ref: 'https://example.com/inner' })).toMatchObject({ ok: false });
  });

  it('is refused when it is nested too deeply, whatever nests', () => {
    for (const schema of [nested(8_000, 'not'), nested(101, 'not'), { enum: [nested(8_000, 'a')] }]) {
      expect(compileEventSchema(schema)).toMatchObject({
        ok: false,
        message: expect.stringContaining('nested'),
      });
    }
    expect(compileEventSchema(nested(99, 'not'))).toMatchObject({ ok: true });
  });

  it('refuses data that is nested too deeply, and does not overflow', () => {
    const node = { properties: { a: { $ref: '#/$defs/n' } } };
    const schema = { ...node, $defs: { n: node } };
    const tooDeep = [{ path: 'data', message: expect.stringContaining('nested too deeply') }];
    expect(errorsOf(schema, nested(8_000, 'a'))).toEqual(tooDeep);
    expect(errorsOf(schema, nested(101, 'a'))).toEqual(tooDeep);
    expect(errorsOf(schema, nested(100, 'a'))).toEqual([]);
    // Many levels of the schema for each one of the data.
    const $defs = Object.fromEntries(
      Array.from({ length: 300 }, (_, n) => [`n${n}`, { type: 'object', $ref: `#/$defs/n${n + 1}` }]),
    );
    const last = { properties: { a: { $ref: '#/$defs/n0' } } };
    const long = { $ref: '#/$defs/n0', $defs: { ...$defs, n300: last } };
    const endless = [{ path: 'data', message: expect.stringContaining('refers to itself without end') }];
    expect(errorsOf(long, nested(100, 'a'))).toEqual(endless);
    expect(errorsOf({ properties: { a: { $ref: '#/properties/a' } } }, { a: 1 })).toEqual(endless);
  });

  const manyNames = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, 1]));
  const manyItems = Array.from({ length: 50_000 }, (_, n) => n);
  const longText = 'ab'.repeat(100_000);
  const times = (schema: unknown) => ({ allOf: Array.from({ length: 1_500 }, () => schema) });
  /** A thousand schemas one after the other, each of which hands on what the last has looked at. */
  const chain = (last: unknown) => ({
    $ref: '#/$defs/n0',
    $defs: {
      ...Object.fromEntries(
        Array.from({ length: 1_000 }, (_, n) => [`n${n}`, { $ref: `#/$defs/n${n + 1}` }]),
      ),
      n1000: last,
    },
  });
  it.each([
    ['uniqueItems', times({ uniqueItems: true }), manyItems],
    ['items', times({ items: true }), manyItems],
    ['contains', times({ contains: true }), manyItems],
    ['unevaluatedItems', { ...chain({ contains: true }), unevaluatedItems: false }, manyItems],
    ['maxProperties', times({ maxProperties: 100_000 }), manyNames],
    ['propertyNames', times({ propertyNames: true }), manyNames],
    ['additionalProperties', times({ additionalProperties: true }), manyNames],
    [
      'unevaluatedProperties',
      { ...chain({ properties: {}, additionalProperties: true }), unevaluatedProperties: false },
      manyNames,
    ],
    [
      'maxLength',
      { ...times({ $ref: '#/$defs/long' }), $defs: { long: { maxLength: 150_000, not: false } } },
      '😀'.repeat(100_000),
    ],
    ['pattern', times({ pattern: '[ab]*a[ab]{61}$' }), longText],
    [
      'patternProperties',
      {
        ...times({ $ref: '#/$defs/names' }),
        $defs: { names: { patternProperties: { '[ab]*a[ab]{61}$': true } } },
      },
      { [longText]: 1 },
    ],
    ['format', times({ format: 'uri-reference' }), longText],
    ['the format regex', times({ format: 'regex' }), longText],
    [
      'const',
      { ...times({ $ref: '#/$defs/list' }), $defs: { list: { const: manyItems.slice(0, 5_000) } } },
      manyItems.slice(0, 5_000),
    ],
    [
      'required',
      {
        ...times({ $ref: '#/$defs/all' }),
        $defs: { all: { required: Object.keys(manyNames).slice(0, 4_000) } },
      },
      manyNames,
    ],
  ])('takes no long time, however often it looks at all of a large value: %s', (_, schema, data) => {
    expect(errorsOf(schema, data)).toEqual([
      { path: 'data', message: 'takes too many steps to check against the schema' },
    ]);
  });

  it.each([
    [{ required: 5 }, 'required must be array'],
    [{ pattern: 5 }, 'pattern must be string'],
    [{ multipleOf: 0 }, 'multipleOf must be > 0'],
    [{ properties: { b: { allOf: 1 } } }, 'properties.b.allOf must be array'],
    [['list'], 'must be object or boolean'],
    [7, 'must be object or boolean'],
  ])('may not refer to what is no schema, wherever it stands: %j', (unknown, why) => {
    const schema = { properties: { a: { $ref: '#/unknown' } }, unknown };
    expect(compileEventSchema(schema)).toEqual({
      ok: false,
      path: '',
      message: `the reference "#/unknown" leads to what is no schema: ${why}`,
    });
  });

  it('is refused with a number that would be stored as null', () => {
    for (const text of [
      '{"maximum":1e400}',
      '{"properties":{"a":{"multipleOf":1e400}}}',
      '{"enum":[-1e400]}',
    ]) {
      expect(compileEventSchema(JSON.parse(text))).toMatchObject({
        ok: false,
        message: expect.stringContaining('a number that is too large'),
      });
    }
  });

  it('checks no text for longer than its length asks, whatever the pattern', () => {
    const text = `${'a'.repeat(100_000)}!`;
    expect(errorsOf({ pattern: '^(a+)+$' }, text)).toHaveLength(1);
    const names = { patternProperties: { '^(a+)+$': { type: 'integer' } }, additionalProperties: false };
    expect(errorsOf(names, { [text]: 1 })).toHaveLength(1);
    expect(errorsOf(names, { aaa: 1 })).toEqual([]);
    expect(errorsOf({ not: { pattern: '[ab]*a[ab]{400}[cd]' } }, text)).toEqual([
      { path: 'data', message: 'has a text that is too long for a pattern of the schema' },
    ]);
  });

  it('names the pattern that it cannot use, and why', () => {
    const at = (path: string, reason: string) => ({
      ok: false,
      path,
      message: expect.stringContaining(reason),
    });
    expect(compileEventSchema({ properties: { a: { pattern: '^(?!x)' } } })).toEqual(
      at('properties.a.pattern', 'it looks around ((?!)'),
    );
    expect(compileEventSchema({ patternProperties: { '(a)\\1': {} } })).toEqual(
      at('patternProperties.(a)\\1', 'it refers back to a group'),
    );
  });

  it('finds duplicates among many items, by value', () => {
    const items = Array.from({ length: 100_000 }, (_, n) => ({ n, list: [n] }));
    expect(errorsOf({ uniqueItems: true }, items)).toEqual([]);
    expect(errorsOf({ uniqueItems: true }, [...items, { list: [7], n: 7 }])).toEqual([
      { path: 'data', message: 'must NOT have duplicate items' },
    ]);
    expect(errorsOf({ uniqueItems: true }, [1, '1', [1], null, 'null'])).toEqual([]);
  });

  it('checks no format for longer than the length of the text asks', () => {
    for (const text of [`http://${':'.repeat(200_000)}`, `http://${'a@'.repeat(100_000)}`]) {
      expect(errorsOf({ format: 'url' }, text)).toHaveLength(1);
    }
    expect(errorsOf({ format: 'url' }, 'https://user:secret@example.com:8080/path?x=1')).toEqual([]);
  });

  it('computes multiples in decimal', () => {
    expect(errorsOf({ multipleOf: 0.01 }, 19.99)).toEqual([]);
    expect(errorsOf({ multipleOf: 0.01 }, 19.999)).toEqual([
      { path: 'data', message: 'must be multiple of 0.01' },
    ]);
  });

  it('knows own members only, whatever they are called', () => {
    const parse = (text: string) => JSON.parse(text) as unknown;
    for (const name of ['constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty']) {
      const quoted = JSON.stringify(name);
      const optional = parse(`{"properties":{${quoted}:{"type":"integer"}},"additionalProperties":false}`);
      expect(errorsOf(optional, {})).toEqual([]);
      expect(errorsOf(optional, parse(`{${quoted}:1}`))).toEqual([]);
      expect(errorsOf(optional, parse(`{${quoted}:"x"}`))).toHaveLength(1);
      expect(errorsOf({ required: [name] }, {})).toHaveLength(1);
      expect(errorsOf({ required: [name] }, parse(`{${quoted}:1}`))).toEqual([]);
      expect(errorsOf({ additionalProperties: false }, parse(`{${quoted}:1}`))).toHaveLength(1);
      expect(errorsOf({ allOf: [{}], unevaluatedProperties: false }, parse(`{${quoted}:1}`))).toHaveLength(1);
      const same = parse(`{"const":{${quoted}:1}}`);
      expect(errorsOf(same, parse(`{${quoted}:1}`))).toEqual([]);
      expect(errorsOf(same, parse(`{${quoted}:2}`))).toHaveLength(1);
      expect(errorsOf({ const: { a: 1 } }, parse(`{${quoted}:1}`))).toHaveLength(1);
      expect(errorsOf({ format: name }, 'x')).toEqual([]);
    }
  });

  it('takes a number that is too large for JavaScript for one that is large', () => {
    const huge = JSON.parse('1e400') as unknown;
    expect(errorsOf({ type: 'integer', minimum: 10 }, huge)).toEqual([]);
    expect(errorsOf({ maximum: 10 }, huge)).toHaveLength(1);
    expect(errorsOf({ uniqueItems: true }, [huge, null])).toEqual([]);
  });

  it('names the allowed values, and the branches that were tried', () => {
    expect(errorsOf({ enum: ['EUR', 'USD', 1] }, 'x')).toEqual([
      { path: 'data', message: 'must be one of "EUR", "USD", 1' },
    ]);
    expect(errorsOf({ anyOf: [{ type: 'string' }, { minimum: 3 }] }, 2)).toEqual([
      { path: 'data', message: 'must be string' },
      { path: 'data', message: 'must be >= 3' },
      { path: 'data', message: 'must match a schema in anyOf' },
    ]);
  });

  it('ends a check that would take steps without number', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [
        `n${n}`,
        { allOf: [{ $ref: `#/$defs/n${n + 1}` }, { $ref: `#/$defs/n${n + 1}` }] },
      ]),
    );
    const doubling = { $ref: '#/$defs/n0', $defs: { ...$defs, n40: true } };
    expect(compileEventSchema(doubling)).toMatchObject({ ok: false });
    const only = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/n0' } },
      $defs: { ...$defs, n40: true },
    };
    expect(errorsOf(only, { a: 1 })).toEqual([
      { path: 'data', message: 'takes too many steps to check against the schema' },
    ]);
  });

  it('names the place in the schema that its meta-schema refuses', () => {
    expect(compileEventSchema({ properties: { a: { type: 'money' } } })).toMatchObject({
      ok: false,
      path: 'properties.a.type',
    });
  });
});

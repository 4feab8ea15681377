import fc from 'fast-check';

/** Texts that have broken servers before: for databases, parsers, prototypes, templates, addresses and times. */
export const hostileTexts: readonly string[] = [
  '',
  ' ',
  '\u202eabc',
  '\ufeff',
  'ﬁ',
  '𝒳'.repeat(200),
  'a\r\nX-Injected: 1',
  '\t\n\u2028',
  "'; DROP TABLE event; --",
  '%00',
  '%',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '{{#label}}',
  '{#problems}',
  '${7*7}',
  '<script>alert(1)</script>',
  'null',
  'true',
  '1e999',
  '-0',
  '0x10',
  '９',
  '*',
  '**',
  'a.*.b',
  '.',
  'a..b',
  'a'.repeat(129),
  'posthorn',
  'Infinity',
  '0000-00-00T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '0001-01-01T00:00:00+23:59',
  '9999-12-31T23:59:59.999999999-23:59',
  '9999-12-31T23:59:59Z',
  '2026-02-30T00:00:00Z',
  '2026-01-01T00:00:60Z',
  '1969-12-31T23:59:59.999Z',
  '+275760-09-13T00:00:00.000Z',
  'evt_7zzzzzzzzzzzzzzzzzzzzzzzzz',
  'evt_00000000000000000000000000',
  'dlv_7zzzzzzzzzzzzzzzzzzzzzzzzz',
  'ep_00000000000000000000000000',
  'EP_01h455vb4pex5vsknk084sn02q',
  'whsec_',
  'whsec_AAAA',
  `whsec_${'A'.repeat(86)}==`,
  'http://',
  'http://[::1',
  'http://127.0.0.1:99999/',
  'http://127.0.0.1:0/',
  'http://0x7f000001/',
  'http://user:pass@127.0.0.1/',
  'http://169.254.169.254/latest/meta-data',
  'http://[::ffff:10.0.0.1]/',
  'http://127.1/\0',
  'HTTP://LOCALHOST/ä',
  'javascript:alert(1)',
  'file:///etc/passwd',
  'http://a.invalid/\r\nHost: b',
];

/** JSON Schemas that a validator may choke on: compiling, or checking. */
const hostileSchemas: readonly object[] = [
  { $ref: '#' },
  { $ref: '#/$defs/none' },
  { $ref: 'http://127.0.0.1:1/schema.json' },
  { $dynamicRef: '#node', $dynamicAnchor: 'node' },
  { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' },
  { $schema: 'urn:unknown' },
  { $id: 'urn:same', type: 'object' },
  { $async: true },
  { type: 'nothing' },
  { type: [] },
  { pattern: '[' },
  { pattern: '^(a+)+$' },
  { pattern: '^(?!a)' },
  { patternProperties: { '(a)\\1': {} } },
  { format: 'none' },
  { minLength: -1 },
  { required: ['toString', '__proto__'] },
  { properties: { constructor: { type: 'string' } }, additionalProperties: false },
  { allOf: [{ $ref: '#' }] },
  { properties: { a: { $ref: '#' } } },
  { not: {} },
  { enum: [] },
  { const: null },
  { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' },
];

const hostileNumbers: readonly number[] = [
  0,
  -0,
  -1,
  0.1,
  1.5,
  251,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  1e21,
  1e308,
  -1e308,
  5e-324,
];

/** Each stands for a value that is nested too deeply for a stack; `writeDeepValues` writes it. */
export const deepValues: readonly string[] = ['[deep list]', '[deep object]', '[deep schema]'];

const deepLevels = 10_000;
const deepJson = [
  `${'['.repeat(deepLevels)}${']'.repeat(deepLevels)}`,
  `${'{"a":'.repeat(deepLevels)}1${'}'.repeat(deepLevels)}`,
  `${'{"not":'.repeat(deepLevels)}{}${'}'.repeat(deepLevels)}`,
];

/** JSON with what the marks stand for. Neither JSON.stringify nor a fault further in could handle the values themselves. */
export function writeDeepValues(json: string): string {
  return deepValues.reduce(
    (text, mark, index) => text.replaceAll(JSON.stringify(mark), () => deepJson[index] ?? mark),
    json,
  );
}

/** Anything JSON can say where it is not expected. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...hostileTexts) },
  { weight: 3, arbitrary: fc.constantFrom<unknown>('\0', 'a\0b', '\ud800', 'x\udc00') },
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], ...hostileNumbers),
  },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(...hostileSchemas) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(...deepValues) },
  { weight: 1, arbitrary: fc.constantFrom(300, 5_000, 300_000).map((length) => 'x'.repeat(length)) },
  { weight: 1, arbitrary: fc.constantFrom(10, 2_000).map((length) => Array.from({ length }, () => ({}))) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

/** Names that mean something to JavaScript, to the API or to nobody. */
export const hostileNames: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'toJSON',
  'then',
  '',
  '\0',
  'a.b',
  'id',
  'unknown',
  '$where',
];

/** JSON that no value turns into; what stands for a member as it is. */
export const hostileJson: readonly string[] = [
  '1e400',
  '-1e400',
  '12345678901234567890123',
  '0.1e-400',
  '-0',
  '01',
  'NaN',
  'undefined',
  "'x'",
  '"\\ud800"',
  '"\\u0000"',
  '"\\x41"',
  '[1,]',
  '{"a":1,"a":2}',
  '{"__proto__":{"customerId":"acme"}}',
  '{"constructor":{"prototype":{"x":1}}}',
  `${'['.repeat(500)}${']'.repeat(500)}`,
  `${'['.repeat(60_000)}${']'.repeat(60_000)}`,
  `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
];

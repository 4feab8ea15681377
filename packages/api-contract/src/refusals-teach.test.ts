import { describe, expect, it } from '@jest/globals';
import type Joi from 'joi';

import type { Operation } from './operation.js';
import { operationList } from './operations.js';
import { validateValue } from './validate-value.js';

interface Description {
  type?: string;
  keys?: Record<string, Description>;
  items?: Description[];
  patterns?: { rule?: Description }[];
}

type Path = readonly (string | number)[];

/** Every place that a schema knows, itself included, an item and a member of each list and map too. */
function placesIn({ keys = {}, items = [], patterns = [] }: Description, path: Path = []): Path[] {
  return [
    path,
    ...Object.entries(keys).flatMap(([name, member]) => placesIn(member, [...path, name])),
    ...items.flatMap((item) => placesIn(item, [...path, 0])),
    ...patterns.flatMap(({ rule }) => (rule ? placesIn(rule, [...path, 'X-Name']) : [])),
  ];
}

function valueAt(path: Path, value: unknown): unknown {
  return path.reduceRight<unknown>(
    (inner, part) => (typeof part === 'number' ? [inner] : { [part]: inner }),
    value,
  );
}

const manyMembers = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`m${n}`, 'x']));
const badValues: readonly unknown[] = [
  null,
  true,
  7,
  0,
  -1,
  1.5,
  1e30,
  '',
  ' ',
  'ä b',
  'x\0',
  '.',
  'x'.repeat(20_000),
  '2026-01-01T00:00:00 02:00',
  '2026-01-01T00:00:00',
  '2026-01-01',
  '2026-02-30T00:00:00Z',
  '1767225600',
  'ep_1',
  'whsec_AAAA',
  'ftp://example.com',
  'example.com',
  [],
  [7],
  ['a', 'a'],
  Array.from({ length: 2_000 }, () => 'a'),
  {},
  { unknown: 1 },
  manyMembers,
  { '': 'x' },
  { 'a b': 'x' },
  { Host: 'x' },
  { 'webhook-id': 'x' },
  { 'X-A': '\n' },
  { 'X-A': '1', 'x-a': '2' },
  { 'X-A': '********' },
  { 'X-A': 'x'.repeat(9_000) },
  { scheme: 'standard', algorithm: 'sha256' },
  { delaysSeconds: [1], baseSeconds: 2 },
  { delaysSeconds: [604_800], maxAttempts: 50 },
  JSON.parse('{"__proto__":{}}') as unknown,
];

function schemasOf(operation: Operation): [string, Joi.Schema, boolean][] {
  const { query, params, body, documentedBody, headers = {} } = operation;
  return [
    ['query', query, true],
    ['params', params, false],
    ...(body ? ([['body', documentedBody ?? body, false]] as [string, Joi.Schema, boolean][]) : []),
    ...Object.values(headers).map((schema): [string, Joi.Schema, boolean] => ['header', schema, false]),
  ];
}

/** What the operation says to bad values in each of its places. */
function messagesOf(operation: Operation): string[] {
  const messages = new Set<string>();
  for (const [, schema, convert] of schemasOf(operation)) {
    for (const path of placesIn(schema.describe())) {
      for (const bad of badValues) {
        const result = validateValue(schema, valueAt(path, bad), { convert });
        if (!result.ok) for (const { message } of result.errors) messages.add(message);
      }
    }
  }
  return [...messages];
}

/** How a message says what is allowed: by an example, a list, a bound, a type of JSON, or what to do. */
const teaches = [
  /such as /,
  /must be (one of )?\[/,
  /; allowed are \w/,
  /; none are allowed here$/,
  /must be a JSON Schema: /,
  /is required$/,
  /must be (a string|a number|a whole number|true or false|an array|a JSON object)\b/,
  /must be a number (from|that)/,
  /must be (less|greater) than or equal to [\d.]+$/,
  /must have at (most|least) \d+ (characters|members?|items?)/,
  /must not be empty$/,
  /; (leave|give|make|name|use|write) /,
  /must be text of at most/,
  /must have (at most|a value of)/,
  /must be at most/,
  /is for the scheme "digest" only/,
  /must not have a member named __proto__/,
  /must be printable|1 to 255 printable/,
  /must be the text after #token=/,
];
const mute = /\bvalid\b|\b1 items|pattern|invalid|fails to|does not match any|not allowed$|\[object/;

describe('what an operation says to a value that it refuses', () => {
  it.each(operationList.map((operation) => [operation.operationId, operation] as const))(
    'says what is allowed, for %s',
    (_id, operation) => {
      const untaught = messagesOf(operation).filter(
        (message) => mute.test(message) || !teaches.some((form) => form.test(message)),
      );
      expect(untaught).toEqual([]);
    },
  );

  it('is looked at for every place: hundreds of messages', () => {
    const all = operationList.flatMap((operation) => messagesOf(operation));
    expect(new Set(all).size).toBeGreaterThan(150);
  });
});

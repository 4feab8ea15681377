import { describe, expect, it } from '@jest/globals';

import { compileEventSchema } from './event-schema.js';

function errorsOf(schema: unknown, data: unknown) {
  const compiled = compileEventSchema(schema);
  if (!compiled.ok) throw new Error(compiled.message);
  return compiled.check(data);
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
    ['an asynchronous one', { $async: true, type: 'object' }],
    ['a huge one', { description: 'x'.repeat(70_000) }],
    ['no schema at all', 'string'],
  ])('is refused with a message: %s', (_, schema) => {
    expect(compileEventSchema(schema)).toEqual({ ok: false, message: expect.stringMatching(/\w{3,}/) });
  });
});

import { describe, expect, it } from '@jest/globals';

import { batchBody, eventInput, idempotencyKey } from './events.js';
import { validateValue } from './validate-value.js';

const event = { customerId: 'acme', type: 'invoice.paid', data: {} };
const validate = (value: unknown) => validateValue(eventInput, value, { convert: false });
const pathsOf = (value: unknown) => {
  const result = validate(value);
  return result.ok ? [] : result.errors.map(({ path }) => path);
};

describe('eventInput', () => {
  it.each([[null], [false], [0], ['text'], [[1]], [{}]])('takes any JSON value as data: %j', (data) => {
    expect(validate({ ...event, data })).toMatchObject({ ok: true, value: { data } });
  });

  it('gives the timestamp in milliseconds', () => {
    expect(validate({ ...event, timestamp: '2026-01-01T00:00:00Z' })).toMatchObject({
      value: { timestamp: Date.UTC(2026, 0, 1) },
    });
  });

  it('reports all problems at once, each with its path', () => {
    expect(pathsOf({ customerId: 'a:b', type: '.', extra: 1, timestamp: 5 }).sort()).toEqual([
      'customerId',
      'data',
      'extra',
      'timestamp',
      'type',
    ]);
  });

  it.each([
    ['a number for a customer id', { ...event, customerId: 7 }, 'customerId'],
    ['an event type of 129 characters', { ...event, type: 'a'.repeat(129) }, 'type'],
    ['an empty external id', { ...event, externalId: '' }, 'externalId'],
    ['an external id of 256 characters', { ...event, externalId: 'x'.repeat(256) }, 'externalId'],
    ['NUL, which Postgres cannot keep', { ...event, externalId: 'a\0b' }, 'externalId'],
    ['half a surrogate pair', { ...event, externalId: 'a\ud800b' }, 'externalId'],
    ['null for an optional field', { ...event, externalId: null }, 'externalId'],
    [
      'a member called __proto__',
      JSON.parse('{"customerId":"a","type":"a","data":1,"__proto__":{"externalId":7}}') as unknown,
      '',
    ],
    ['a list', [event], ''],
    ['text', 'event', ''],
    ['null', null, ''],
  ])('refuses %s', (_what, value, path) => {
    expect(pathsOf(value)).toEqual([path]);
  });

  it('lets data have a member called __proto__: it is never read', () => {
    expect(validate({ ...event, data: JSON.parse('{"__proto__":{"a":1}}') as unknown }).ok).toBe(true);
  });

  it('does not repeat refused values, and bounds what it says', () => {
    const result = validate({ ...event, customerId: 'sécret', ['k'.repeat(5_000)]: 1 });
    const text = JSON.stringify(result);
    expect(text).not.toContain('sécret');
    expect(text.length).toBeLessThan(1_500);
  });

  const withUnknown = (count: number) => ({
    ...event,
    ...Object.fromEntries(Array.from({ length: count }, (_, index) => [`unknown${index}`, 1])),
  });

  it('lists at most fifty problems', () => {
    expect(pathsOf(withUnknown(500))).toHaveLength(50);
  });

  it('names one problem of a value with very many, instead of failing over them', () => {
    expect(pathsOf(withUnknown(400_000))).toHaveLength(1);
  });
});

describe('batchBody', () => {
  const check = (value: unknown) => validateValue(batchBody, value, { convert: false }).ok;

  it('takes 1 to 1,000 events of any shape and nothing else', () => {
    expect(check({ events: [null] })).toBe(true);
    expect(check({ events: Array<unknown>(1_000).fill(event) })).toBe(true);
    expect(check({ events: Array<unknown>(1_001).fill(event) })).toBe(false);
    expect(check({ events: [] })).toBe(false);
    expect(check({ events: {} })).toBe(false);
    expect(check({ events: [event], more: 1 })).toBe(false);
    expect(check([event])).toBe(false);
  });
});

describe('idempotencyKey', () => {
  const check = (value: string) => validateValue(idempotencyKey, value, { convert: false }).ok;

  it('takes 1 to 255 printable ASCII characters', () => {
    expect(check('a key/with: everything~!')).toBe(true);
    expect(check('k'.repeat(255))).toBe(true);
    expect(check('k'.repeat(256))).toBe(false);
    expect(check('')).toBe(false);
    expect(check('clé')).toBe(false);
    expect(check('a\tb')).toBe(false);
  });
});

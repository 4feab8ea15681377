import { describe, expect, it } from '@jest/globals';
import { isCustomerId, isEventType, isReservedEventType, producerEventTypePattern } from './identifiers.js';

describe('customer ids', () => {
  it.each(['a', '7', 'acme', 'Acme-1_2.3', 'a'.repeat(64)])('may be %s', (text) => {
    expect(isCustomerId(text)).toBe(true);
  });

  it.each(['', '.a', '-a', '_a', 'a:b', 'a/b', 'a b', 'é', 'acme\n', '{a}', 'a'.repeat(65)])(
    'may not be %j',
    (text) => {
      expect(isCustomerId(text)).toBe(false);
    },
  );
});

describe('event types', () => {
  it.each(['a', 'invoice.paid', 'Invoice_v2.line-item.added', '1.2.3', 'a'.repeat(128)])(
    'may be %s',
    (text) => {
      expect(isEventType(text)).toBe(true);
    },
  );

  it.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a.*', '*', 'a/b', 'a:b', 'é', 'a\n', 'a'.repeat(129)])(
    'may not be %j',
    (text) => {
      expect(isEventType(text)).toBe(false);
    },
  );
});

describe('types that producers may send', () => {
  it.each([
    'invoice.paid',
    'posthorns',
    'posthorn-x.y',
    'posthorn_x',
    'my.posthorn.x',
    'x.posthorn',
    'postho.rn',
  ])('%s is one', (type) => {
    expect(isReservedEventType(type)).toBe(false);
    expect(producerEventTypePattern.test(type)).toBe(true);
  });

  it.each([
    'posthorn',
    'Posthorn',
    'POSTHORN',
    'posthorn.test',
    'posthorn.endpoint.disabled',
    'POSTHORN.endpoint.disabled',
    'pOsThOrN.x',
  ])('%s is none: it is kept for Posthorn', (type) => {
    expect(isEventType(type)).toBe(true);
    expect(isReservedEventType(type)).toBe(true);
    expect(producerEventTypePattern.test(type)).toBe(false);
  });
});

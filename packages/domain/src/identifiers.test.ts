import { describe, expect, it } from '@jest/globals';
import { isCustomerId, isEventType } from './identifiers.js';

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

import { describe, expect, it } from '@jest/globals';
import { generateKeyring, parseKeyring } from './keyring.js';

const base64 = Buffer.alloc(32, 0xfb).toString('base64');

describe('keyring', () => {
  it('reads keys in order, in base64 and base64url, with or without padding and spaces', () => {
    const url = Buffer.alloc(32, 0xfb).toString('base64url');
    expect(parseKeyring(`new:${base64}, old-1:${url}`)).toEqual({
      ok: true,
      keys: [
        { id: 'new', key: Buffer.alloc(32, 0xfb) },
        { id: 'old-1', key: Buffer.alloc(32, 0xfb) },
      ],
    });
  });

  it('reads what it generates, and never generates the same key twice', () => {
    const [first, second] = [generateKeyring(), generateKeyring()];
    expect(first).not.toBe(second);
    expect(parseKeyring(first)).toMatchObject({ ok: true, keys: [{ id: 'k1' }] });
  });

  it.each([
    ['', 'entry 1 has no id (write it as id:base64)'],
    [base64, 'entry 1 has no id (write it as id:base64)'],
    [`k1:${base64},`, 'entry 2 has no id (write it as id:base64)'],
    [`:${base64}`, 'the id of entry 1 must be 1 to 32 letters, digits, dots, dashes or underscores'],
    [`a b:${base64}`, 'the id of entry 1 must be 1 to 32 letters, digits, dots, dashes or underscores'],
    [`k1:${base64},k1:${base64}`, 'two keys have the id k1'],
    ['k1:', 'the key k1 is not base64'],
    ['k1:sesame!', 'the key k1 is not base64'],
    ['k1:c2VzYW1l', 'the key k1 has 6 bytes instead of 32'],
  ])('says what is wrong with %j without quoting the key', (text, problem) => {
    expect(parseKeyring(text)).toEqual({ ok: false, problem });
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeSigningSecret, generateSigningSecret, isSigningSecret } from './signing-secret.js';

const of = (bytes: Uint8Array) => `whsec_${Buffer.from(bytes).toString('base64')}`;

describe('signing secrets', () => {
  it('are generated from 32 bytes, never the same twice', () => {
    const secrets = Array.from({ length: 100 }, generateSigningSecret);
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(decodeSigningSecret(secret)).toHaveLength(32);
    }
  });

  it('give back the bytes they were made of', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), (bytes) => {
        expect(isSigningSecret(of(bytes))).toBe(true);
        expect(decodeSigningSecret(of(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  const key = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  it.each([
    ['nothing', ''],
    ['no prefix', key],
    ['another prefix', `whpk_${key}`],
    ['too few bytes', of(new Uint8Array(23))],
    ['too many bytes', of(new Uint8Array(65))],
    ['characters outside base64', `whsec_${key.slice(1)}!`],
    ['the url alphabet', of(new Uint8Array(32).fill(255)).replaceAll('/', '_')],
    ['missing padding', of(new Uint8Array(32)).slice(0, -1)],
    ['bits in the padding', of(new Uint8Array(32)).replace('A=', 'B=')],
    ['a line break', `whsec_${key}\n`],
  ])('are refused with %s', (_what, text) => {
    expect(isSigningSecret(text)).toBe(false);
    expect(() => decodeSigningSecret(text)).toThrow(TypeError);
  });

  it('do not show in the error that refuses them', () => {
    expect(() => decodeSigningSecret('whsec_hunter2')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    );
  });
});

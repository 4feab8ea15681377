import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { sign as octokitSign, verify as octokitVerify, verifyWithFallback } from '@octokit/webhooks-methods';
import { signDigest, verifyDigest } from './digest-signature.js';
import { generateSigningSecret } from './signing-secret.js';

const id = 'evt_01h455vb4pex5vsknk084sn02q';
const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0);
const timestampSeconds = nowMs / 1000;
const body = '{"type":"invoice.paid","data":{"n":12345678901234567890,"name":"Zoë"}}';
const secret = generateSigningSecret();
const previous = generateSigningSecret();
const input = { id, timestampSeconds, body, secrets: [secret] };

describe('signDigest', () => {
  it('makes the header that the official library makes and accepts', async () => {
    const signed = signDigest('sha256', input)['x-webhook-signature']!;
    expect(signed).toBe(await octokitSign(secret, body));
    expect(await octokitVerify(secret, body, signed)).toBe(true);
    expect(await octokitVerify(previous, body, signed)).toBe(false);
  });

  it('digests with sha512 when told', () => {
    const expected = createHmac('sha512', secret).update(body).digest('hex');
    expect(signDigest('sha512', input)).toEqual({
      'x-webhook-id': id,
      'x-webhook-timestamp': '1795176000',
      'x-webhook-signature': `sha512=${expected}`,
    });
  });

  it('keeps signing with the secret before during an overlap, which a verifier that knows both accepts', async () => {
    const headers = signDigest('sha256', { ...input, secrets: [secret, previous] });
    const signed = headers['x-webhook-signature']!;
    expect(await octokitVerify(previous, body, signed)).toBe(true);
    expect(await verifyWithFallback(secret, body, signed, [previous])).toBe(true);
  });

  it('lists the signatures of all secrets during an overlap, newest first, and only then', async () => {
    const headers = signDigest('sha256', { ...input, secrets: [secret, previous] });
    expect(headers['x-webhook-signatures']).toBe(
      `${await octokitSign(secret, body)},${await octokitSign(previous, body)}`,
    );
    expect(signDigest('sha256', input)).not.toHaveProperty('x-webhook-signatures');
  });

  it('refuses to leave a delivery unsigned', () => {
    expect(() => signDigest('sha256', { ...input, secrets: [] })).toThrow(TypeError);
  });
});

describe('verifyDigest', () => {
  const headers = signDigest('sha256', input);
  const verify = (
    change: Partial<Parameters<typeof verifyDigest>[1]>,
    algorithm: 'sha256' | 'sha512' = 'sha256',
  ) => verifyDigest(algorithm, { headers, body, secrets: [secret], nowMs, ...change });

  it('accepts what we sign', () => {
    expect(verify({})).toEqual({ valid: true });
    expect(verify({ headers: signDigest('sha512', input) }, 'sha512')).toEqual({ valid: true });
  });

  it('accepts either secret during an overlap', () => {
    const both = signDigest('sha256', { ...input, secrets: [secret, previous] });
    expect(verify({ headers: both, secrets: [secret] })).toEqual({ valid: true });
    expect(verify({ headers: both, secrets: [previous] })).toEqual({ valid: true });
  });

  it.each(['x-webhook-id', 'x-webhook-timestamp', 'x-webhook-signature'])(
    'says so when %s is missing',
    (name) => {
      expect(verify({ headers: { ...headers, [name]: undefined } })).toMatchObject({
        valid: false,
        reason: 'missing_header',
        detail: expect.stringContaining(name),
      });
    },
  );

  it('says what is wrong otherwise', () => {
    expect(verify({ body: `${body} ` })).toMatchObject({ reason: 'no_matching_signature' });
    expect(verify({ secrets: [previous] })).toMatchObject({ reason: 'no_matching_signature' });
    expect(verify({}, 'sha512')).toMatchObject({ reason: 'malformed_signature' });
    expect(verify({ nowMs: nowMs + 301_000 })).toMatchObject({ reason: 'timestamp_too_old' });
    expect(verify({ nowMs: nowMs - 301_000 })).toMatchObject({ reason: 'timestamp_too_new' });
    expect(verify({ headers: { ...headers, 'x-webhook-timestamp': 'x' } })).toMatchObject({
      reason: 'malformed_timestamp',
    });
  });
});

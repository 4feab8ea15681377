import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import Stripe from 'stripe';
import { generateSigningSecret } from './signing-secret.js';
import { signTimestamped, verifyTimestamped } from './timestamped-signature.js';

const id = 'evt_01h455vb4pex5vsknk084sn02q';
const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0);
const timestampSeconds = nowMs / 1000;
const body = '{"type":"invoice.paid","data":{"n":12345678901234567890,"name":"Zoë"}}';
const secret = generateSigningSecret();
const previous = generateSigningSecret();
const headerOf = (headers: Record<string, string>) => headers['webhook-signature']!;

describe('signTimestamped', () => {
  it('makes the header that the library itself makes', () => {
    const header = headerOf(signTimestamped({ id, timestampSeconds, body, secrets: [secret] }));
    expect(header).toBe(
      Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: timestampSeconds }),
    );
    expect(header).toMatch(/^t=1795176000,v1=[0-9a-f]{64}$/);
  });

  it('is accepted by the official verifier, whatever the body, under each secret of an overlap', () => {
    fc.assert(
      fc.property(fc.json(), (content) => {
        const seconds = Math.floor(Date.now() / 1000);
        const header = headerOf(
          signTimestamped({ id, timestampSeconds: seconds, body: content, secrets: [secret, previous] }),
        );
        for (const known of [secret, previous]) {
          expect(() => Stripe.webhooks.constructEvent(content, header, known)).not.toThrow(/signature/i);
        }
        const other = generateSigningSecret();
        expect(() => Stripe.webhooks.constructEvent(content, header, other)).toThrow(/signature/i);
      }),
    );
  });

  it('sends the id along', () => {
    expect(signTimestamped({ id, timestampSeconds, body, secrets: [secret] })['webhook-id']).toBe(id);
  });

  it('refuses to leave a delivery unsigned', () => {
    expect(() => signTimestamped({ id, timestampSeconds, body, secrets: [] })).toThrow(TypeError);
  });
});

describe('verifyTimestamped', () => {
  const headers = signTimestamped({ id, timestampSeconds, body, secrets: [secret] });
  const verify = (input: Partial<Parameters<typeof verifyTimestamped>[0]>) =>
    verifyTimestamped({ headers, body, secrets: [secret], nowMs, ...input });
  const withHeader = (header: string) => verify({ headers: { 'Webhook-Signature': header } });

  it('accepts what we sign, under any of several secrets', () => {
    expect(verify({})).toEqual({ valid: true });
    expect(verify({ body: Buffer.from(body), secrets: [previous, secret] })).toEqual({ valid: true });
  });

  it('skips other versions and accepts one good signature among others', () => {
    const good = headerOf(headers).split(',')[1]!;
    expect(withHeader(`t=${timestampSeconds},v0=aa,v1=bb,${good}`)).toEqual({ valid: true });
  });

  it.each([
    ['another body', { body: `${body} ` }],
    ['another secret', { secrets: [previous] }],
    [
      'another time',
      { headers: { ...headers, 'webhook-signature': headerOf(headers).replace('00,', '01,') } },
    ],
    ['no secret', { secrets: [] }],
  ])('finds no matching signature with %s', (_what, input) => {
    expect(verify(input)).toMatchObject({ valid: false, reason: 'no_matching_signature' });
  });

  it('says that the header is missing, malformed, too old or too new', () => {
    expect(verify({ headers: {} })).toMatchObject({ valid: false, reason: 'missing_header' });
    for (const header of ['nonsense', 'v1=aa', `t=${timestampSeconds}`, 'v1,c2ln']) {
      expect(withHeader(header)).toMatchObject({ valid: false, reason: 'malformed_signature' });
    }
    expect(withHeader('t=soon,v1=aa')).toMatchObject({ valid: false, reason: 'malformed_timestamp' });
    expect(verify({ nowMs: nowMs + 300_000 })).toEqual({ valid: true });
    expect(verify({ nowMs: nowMs + 301_000 })).toMatchObject({ valid: false, reason: 'timestamp_too_old' });
    expect(verify({ nowMs: nowMs - 301_000 })).toMatchObject({ valid: false, reason: 'timestamp_too_new' });
  });

  it('tells whether a request that is too old was signed right', () => {
    const late = { nowMs: nowMs + 301_000 };
    expect(verify(late)).toMatchObject({ detail: expect.stringContaining('The signature itself matches') });
    expect(verify({ ...late, secrets: [previous] })).toMatchObject({
      detail: expect.stringContaining('No signature matches either'),
    });
  });
});

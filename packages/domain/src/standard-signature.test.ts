import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { signStandard, verifyStandard } from './standard-signature.js';
import { generateSigningSecret } from './signing-secret.js';

const id = 'evt_01h455vb4pex5vsknk084sn02q';
const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0);
const timestampSeconds = nowMs / 1000;
const body = '{"type":"invoice.paid","data":{"n":12345678901234567890,"name":"Zoë"}}';
const secret = generateSigningSecret();
const previous = generateSigningSecret();

describe('signStandard', () => {
  it('agrees with the vector that the verifiers of the specification share', () => {
    expect(
      signStandard({
        id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        timestampSeconds: 1614265330,
        body: '{"test": 2432232314}',
        secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      }),
    ).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('is accepted by the official verifier, whatever the body', () => {
    const text = fc.oneof(fc.json(), fc.string({ unit: 'grapheme', minLength: 1 }));
    fc.assert(
      fc.property(text, (content) => {
        const headers = signStandard({
          id,
          timestampSeconds: nowSeconds(),
          body: content,
          secrets: [secret],
        });
        expect(() => new Webhook(secret).verify(content, headers, { jsonParse: false })).not.toThrow();
        expect(() => new Webhook(previous).verify(content, headers, { jsonParse: false })).toThrow();
      }),
    );
  });

  it('is accepted by the official verifier under the current and the previous secret during an overlap', () => {
    const headers = signStandard({ id, timestampSeconds: nowSeconds(), body, secrets: [secret, previous] });
    expect(headers['webhook-signature']!.split(' ')).toHaveLength(2);
    for (const known of [secret, previous]) {
      expect(() => new Webhook(known).verify(body, headers)).not.toThrow();
    }
  });

  it('puts the signature of the current secret first', () => {
    const signatureOf = (secrets: string[]) =>
      signStandard({ id, timestampSeconds, body, secrets })['webhook-signature'];
    expect(signatureOf([secret, previous])).toBe(`${signatureOf([secret])} ${signatureOf([previous])}`);
  });

  it('signs text and its bytes alike', () => {
    const signed = signStandard({ id, timestampSeconds, body, secrets: [secret] });
    expect(signStandard({ id, timestampSeconds, body: Buffer.from(body), secrets: [secret] })).toEqual(
      signed,
    );
  });

  it('refuses to leave a delivery unsigned', () => {
    expect(() => signStandard({ id, timestampSeconds, body, secrets: [] })).toThrow(TypeError);
    expect(() => signStandard({ id, timestampSeconds, body, secrets: ['whsec_'] })).toThrow(TypeError);
  });
});

describe('verifyStandard', () => {
  const headers = { ...signStandard({ id, timestampSeconds, body, secrets: [secret] }) };
  const verify = (input: Partial<Parameters<typeof verifyStandard>[0]>) =>
    verifyStandard({ headers, body, secrets: [secret], nowMs, ...input });

  it('accepts what we sign, as text and as bytes', () => {
    expect(verify({})).toEqual({ valid: true });
    expect(verify({ body: Buffer.from(body) })).toEqual({ valid: true });
  });

  it('accepts what the official library signs', () => {
    const signature = new Webhook(secret).sign(id, new Date(nowMs), body);
    expect(verify({ headers: { ...headers, 'webhook-signature': signature } })).toEqual({ valid: true });
  });

  it('accepts one good signature among others, and any of several secrets', () => {
    const mixed = `v1a,AAAA v1,AAAA ${headers['webhook-signature']} v2,x`;
    expect(verify({ headers: { ...headers, 'webhook-signature': mixed } })).toEqual({ valid: true });
    expect(verify({ secrets: [previous, secret] })).toEqual({ valid: true });
  });

  it('reads header names in any case', () => {
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    expect(verify({ headers: upper })).toEqual({ valid: true });
  });

  it('takes names that differ in case for one header, its values in the order given', () => {
    const { 'webhook-signature': signature, ...others } = headers;
    const lists = { 'Webhook-Signature': '', 'WEBHOOK-SIGNATURE': ['v1,AAAA ', signature!] };
    const split = { ...others, ...lists };
    expect(verify({ headers: split })).toEqual({ valid: true });
    const twoIds = { ...headers, 'Webhook-Id': 'evt_other' };
    expect(verify({ headers: twoIds })).toMatchObject({ valid: false, reason: 'no_matching_signature' });
  });

  it.each([
    ['another body', { body: body.replace('paid', 'void') }],
    ['another id', { headers: { ...headers, 'webhook-id': 'evt_other' } }],
    ['another time', { headers: { ...headers, 'webhook-timestamp': String(timestampSeconds + 1) } }],
    ['another secret', { secrets: [previous] }],
    ['no secret', { secrets: [] }],
    [
      'a signature of another version',
      { headers: { ...headers, 'webhook-signature': `v2${headers['webhook-signature']!.slice(2)}` } },
    ],
    [
      'a signature cut short',
      { headers: { ...headers, 'webhook-signature': headers['webhook-signature']!.slice(0, -1) } },
    ],
    ['an empty signature', { headers: { ...headers, 'webhook-signature': 'v1,' } }],
  ])('finds no matching signature with %s', (_what, input) => {
    expect(verify(input)).toMatchObject({ valid: false, reason: 'no_matching_signature' });
  });

  it('tolerates five minutes of clock difference, and no more', () => {
    expect(verify({ nowMs: nowMs + 300_000 })).toEqual({ valid: true });
    expect(verify({ nowMs: nowMs - 300_000 })).toEqual({ valid: true });
    expect(verify({ nowMs: nowMs + 301_000 })).toMatchObject({ valid: false, reason: 'timestamp_too_old' });
    expect(verify({ nowMs: nowMs - 301_000 })).toMatchObject({ valid: false, reason: 'timestamp_too_new' });
    expect(verify({ nowMs: nowMs + 11_000, toleranceSeconds: 10 })).toMatchObject({
      valid: false,
      reason: 'timestamp_too_old',
    });
  });

  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('says so when %s is missing', (name) => {
    expect(verify({ headers: { ...headers, [name]: undefined } })).toMatchObject({
      valid: false,
      reason: 'missing_header',
    });
    expect(verify({ headers: { ...headers, [name]: '' } })).toMatchObject({
      valid: false,
      reason: 'missing_header',
    });
  });

  it.each(['nonsense', 't=1,v1=aa', 'v1'])('refuses the signature header %j', (signature) => {
    expect(verify({ headers: { ...headers, 'webhook-signature': signature } })).toMatchObject({
      valid: false,
      reason: 'malformed_signature',
    });
  });

  it.each(['soon', '-1', '1.5', '0x10', ' 1', '1'.repeat(16)])('refuses the timestamp %j', (timestamp) => {
    expect(verify({ headers: { ...headers, 'webhook-timestamp': timestamp } })).toMatchObject({
      valid: false,
      reason: 'malformed_timestamp',
    });
  });
});

/** The official verifier reads the clock itself. */
function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

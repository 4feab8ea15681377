import { describe, expect, it } from '@jest/globals';
import { redactFields, redactText } from './log-redaction.js';

describe('log redaction', () => {
  it.each([
    'authorization',
    'Proxy-Authorization',
    'secret',
    'signingSecret',
    'portal_token',
    'set-cookie',
    'databasePassword',
    'body',
    'responseBody',
    'payload',
    'data',
    'request_headers',
    'apiKey',
    'encryption_keys',
  ])('hides the value of %s at any depth, whatever its type', (key) => {
    for (const value of ['hunter2', { inner: 'hunter2' }, ['hunter2']]) {
      expect(redactFields({ list: [{ [key]: value }] })).toEqual({ list: [{ [key]: '[redacted]' }] });
    }
  });

  it('shows what only sounds like a secret or a payload', () => {
    const fields = {
      secret_overlap_seconds: 60,
      payload_bytes: 512,
      data_dir: '.posthorn',
      token_expired: true,
      idempotency_key: 'order-1',
      encryption_key_ids: ['k1'],
    };
    expect(redactFields(fields)).toEqual(fields);
  });

  it.each([
    ['key phk_abcdefghijklmnopqrstuvwx was refused', 'key phk_[redacted] was refused'],
    ['at https://a.example/portal#token=phl_abc-def_1', 'at https://a.example/portal#token=phl_[redacted]'],
    ['the session phs_abcdef is over', 'the session phs_[redacted] is over'],
    ['secrets whsec_a+b/c== whsec_ddd', 'secrets whsec_[redacted] whsec_[redacted]'],
    ['sent Authorization: Bearer abcdef.ghi-jkl', 'sent Authorization: Bearer [redacted]'],
    [
      'cannot reach postgres://user:p@ss@db:5432/posthorn',
      'cannot reach postgres://[redacted]@db:5432/posthorn',
    ],
    ['https://hooks.example.com/a@b', 'https://hooks.example.com/a@b'],
  ])('rewrites %j to %j', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });

  it.each(['{"card": 4242,,}', 'card\n4242', '4242"', `{"a": ${'x'.repeat(200)} 4242 ${'x'.repeat(200)}`])(
    'keeps what a parser quotes of %j out of an error and its stack',
    (source) => {
      const error = thrownBy(() => JSON.parse(source) as unknown);
      const written = JSON.stringify(redactFields({ error }));
      expect(written).toContain('JSON');
      expect(written).not.toContain('4242');
    },
  );

  it('shortens what is endless', () => {
    expect(redactText('a'.repeat(10_000)).length).toBeLessThan(4_200);
    const { list } = redactFields({ list: Array.from({ length: 150 }, (_, index) => index) });
    expect(list).toHaveLength(101);
    let nested: object = {};
    for (let depth = 0; depth < 50; depth++) nested = { nested };
    expect(JSON.stringify(redactFields(nested))).toContain('[deep]');
  });

  it('leaves the fields it was given untouched', () => {
    const fields = { token: 'abc', list: ['phk_abcdef'] };
    redactFields(fields);
    expect(fields).toEqual({ token: 'abc', list: ['phk_abcdef'] });
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

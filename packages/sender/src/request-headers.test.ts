import { describe, expect, it } from '@jest/globals';
import { prepareRequestHeaders } from './request-headers.js';

const prepare = (headers: Record<string, string>) => prepareRequestHeaders(headers, 'Posthorn/0.1');

describe('request headers', () => {
  it('adds a user agent and a content type where the caller gave none', () => {
    expect(prepare({ 'webhook-id': 'msg_1' })).toEqual({
      ok: true,
      list: ['webhook-id', 'msg_1', 'user-agent', 'Posthorn/0.1', 'content-type', 'application/json'],
    });
  });

  it("keeps the caller's own, in any spelling", () => {
    expect(prepare({ 'User-Agent': 'Mine/1', 'Content-Type': 'text/plain' })).toEqual({
      ok: true,
      list: ['User-Agent', 'Mine/1', 'Content-Type', 'text/plain'],
    });
  });

  it.each(['a\r\nx-injected: 1', 'a\nb', 'a\rb', 'a\0b', 'a\u010ab', 'a\u010db', '\u007f'])(
    'refuses the value %j',
    (value) => {
      expect(prepare({ 'x-custom': value })).toMatchObject({ ok: false });
    },
  );

  it.each([
    '',
    'a b',
    'a:b',
    'a\r\nb',
    'ä',
    'Host',
    'Content-Length',
    'Transfer-Encoding',
    'connection',
    'Expect',
    'upgrade',
  ])('refuses the name %j', (name) => {
    expect(prepare({ [name]: 'x' })).toMatchObject({ ok: false });
  });

  it('does not repeat a refused value in the message', () => {
    const prepared = prepare({ authorization: 'Bearer secret\n' });
    expect(prepared).toMatchObject({ ok: false, message: expect.not.stringContaining('secret') });
  });
});

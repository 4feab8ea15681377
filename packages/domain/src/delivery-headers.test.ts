import { describe, expect, it } from '@jest/globals';
import { deliveryHeaderProblems } from './delivery-headers.js';

describe('deliveryHeaderProblems', () => {
  it('lets ordinary headers through', () => {
    expect(
      deliveryHeaderProblems({
        Authorization: 'Bearer abc.def==',
        'X-Tenant': 'acme corp\t(eu)',
        "x!#$%&'*+-.^_`|~9": '~',
        'X-Empty': '',
        'User-Agent': 'acme/1',
      }),
    ).toEqual([]);
    expect(deliveryHeaderProblems({})).toEqual([]);
  });

  it.each([
    'Host',
    'Content-Length',
    'CONTENT-TYPE',
    'Content-Encoding',
    'Connection',
    'Keep-Alive',
    'Proxy-Authorization',
    'Proxy-Authenticate',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
    'Proxy-Authentication-Info',
    'Trailers',
    'Close',
    'Content-Range',
    'Content_Length',
    'Transfer_Encoding',
  ])('refuses %s, which the delivery itself decides', (name) => {
    expect(deliveryHeaderProblems({ [name]: 'x' })).toEqual([
      { name, message: expect.stringContaining('overridden') },
    ]);
  });

  it.each([
    'webhook-id',
    'Webhook-Signature',
    'webhook-timestamp',
    'webhook-anything',
    'X-Webhook-Signature',
    'x-webhook-id',
    'X-Webhook-Timestamp',
    'X-Webhook-Signatures',
    'Svix-Signature',
    'Webhook_Signature',
    'x_webhook_signature',
    'X-Webhook.Signature',
  ])('refuses %s, which belongs to the signature', (name) => {
    expect(deliveryHeaderProblems({ [name]: 'x' })).toEqual([
      { name, message: expect.stringContaining('reserved') },
    ]);
  });

  it.each(['', ' ', 'a b', 'a:', ':path', 'a\r\nb', 'a\n', 'é', 'a(b)', 'a"', 'a/b', 'a\0'])(
    'refuses the name %j',
    (name) => {
      expect(deliveryHeaderProblems({ [name]: 'x' })).toEqual([
        { name, message: expect.stringContaining('name') },
      ]);
    },
  );

  it.each(['a\r\nHost: evil', 'a\nb', 'a\rb', 'a\n', '\0', 'a\x7f', 'é', '☃', ' a', 'a ', '\ta', ' '])(
    'refuses the value %j, and does not repeat it',
    (value) => {
      const problems = deliveryHeaderProblems({ 'X-A': value });
      expect(problems).toEqual([{ name: 'X-A', message: expect.stringContaining('visible ASCII') }]);
    },
  );

  it('refuses the same name in two spellings', () => {
    expect(deliveryHeaderProblems({ 'X-A': '1', 'x-a': '2' })).toEqual([
      { name: 'x-a', message: expect.stringContaining('the same header as "X-A"') },
    ]);
  });

  it('reports every problem at once', () => {
    expect(deliveryHeaderProblems({ Host: 'a', 'X-A': '\n', 'X-B': 'fine' }).map(({ name }) => name)).toEqual(
      ['Host', 'X-A'],
    );
  });

  it('takes 50 headers and no more', () => {
    const headers = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, 'a']));
    expect(deliveryHeaderProblems(headers(50))).toEqual([]);
    expect(deliveryHeaderProblems(headers(51))).toEqual([
      { name: null, message: expect.stringContaining('50') },
    ]);
  });

  it('takes 8 KiB in all and no more', () => {
    const headers = (bytes: number) => ({ 'x-a': 'a'.repeat(bytes - 'x-a: \r\n'.length) });
    expect(deliveryHeaderProblems(headers(8192))).toEqual([]);
    expect(deliveryHeaderProblems(headers(8193))).toEqual([
      { name: null, message: expect.stringContaining('8192') },
    ]);
  });
});

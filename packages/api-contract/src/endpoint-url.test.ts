import { describe, expect, it } from '@jest/globals';

import { endpointUrl } from './endpoint-url.js';
import { validateValue } from './validate-value.js';

const check = (url: unknown) => validateValue(endpointUrl, url, { convert: false });
const messageOf = (url: unknown) => {
  const result = check(url);
  return result.ok ? 'taken' : result.errors.map(({ message }) => message).join(' | ');
};

describe('a URL of an endpoint', () => {
  it.each([
    'https://example.com/hooks',
    'HTTPS://EXAMPLE.com/Hook',
    'HtTp://Example.COM:8080',
    'https://müller.example/',
    'https://MÜLLER.example/Straße?größe=1',
    'https://例え.jp',
    'https://例え。jp/パス',
    'https://xn--r8jz45g.jp/',
    'https://例え.テスト:8443/#teil',
    'https://example.com./hooks',
    'https://[2001:db8::1]:443/x',
    'https://ex%61mple.com/',
    'https://example.com/a%20b?x=[1]&y={z}|~',
    'https://a_b.example/',
    `https://example.com/${'a'.repeat(2028)}`,
  ])('may be %s, and is kept as it is written', (url) => {
    expect(check(url)).toEqual({ ok: true, value: url });
  });

  it.each([
    ['', 'has no scheme; it must be an absolute URL that begins with https:// or http://'],
    ['example.com/hook', 'has no scheme'],
    ['localhost:3000/hook', 'has no scheme'],
    ['/hook', 'has no scheme'],
    ['//example.com/hook', 'has no scheme'],
    [
      'ftp://example.com',
      'has the scheme ftp; it must be an absolute URL that begins with https:// or http://',
    ],
    ['javascript:alert(1)', 'has the scheme javascript'],
    ['https:example.com', 'has no host after "https:"'],
    ['https:/example.com', 'has no host'],
    ['https:///example.com', 'has no host'],
    ['https://', 'has no host'],
    ['https://?x', 'has no host'],
    ['https:\\\\example.com', 'has a backslash; write / instead'],
    ['https://example.com\\@evil.example', 'has a backslash'],
    [' https://example.com', 'has a space, a line break or an invisible character'],
    ['https://example.com/a b', 'percent-encoded (%20)'],
    ['https://exa\nmple.com', 'has a space, a line break'],
    ['https://exa\u200bmple.com', 'punycode (xn--…)'],
    ['https://exa\u00admple.com', 'an invisible character'],
    ['https://example.com/\u202egnp.exe', 'an invisible character'],
    ['https://example\u2060.com', 'an invisible character'],
    ['https://example.com/\ufeff', 'an invisible character'],
    ['https://example.com/\0', 'an invisible character'],
    ['https://example.com/\ud800', 'an invisible character'],
    [
      'https://example.com:99999',
      'a host or a port that cannot be used; hosts are names such as example.com or müller.example',
    ],
    ['https://[::1', 'a host or a port that cannot be used'],
    ['https://exa<mple.com', 'a host or a port'],
    ['https://1.2.3.4.5', 'a host or a port'],
    ['https://xn--a/', 'a host or a port'],
    [`https://example.com/${'a'.repeat(2029)}`, 'at most 2048 characters'],
    [
      7,
      'must be a string: it must be an absolute URL that begins with https:// or http://, such as https://example.com/hooks',
    ],
  ])('may not be %j: one message says why, and what is allowed', (url, reason) => {
    const message = messageOf(url);
    expect(message).toContain(reason);
    expect(message).not.toContain(' | ');
    expect(message).not.toMatch(/pattern/);
  });
});

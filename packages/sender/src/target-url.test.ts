import { describe, expect, it } from '@jest/globals';
import { checkTargetUrl } from './target-url.js';
import { forbiddenAddresses, loopbackSpellings } from './test-support/forbidden-addresses.js';

const strict = { allowTargets: [] as string[] };
const reasonOf = (url: string, options = strict) => {
  const check = checkTargetUrl(url, options);
  return check.ok ? 'ok' : check.reason;
};

describe('checkTargetUrl', () => {
  it.each(loopbackSpellings)('refuses the host %s, however it spells this machine', (host) => {
    expect(reasonOf(`https://${host}/hook`)).toBe('address_refused');
  });

  it.each(forbiddenAddresses)('refuses the literal address %s (%s)', (address) => {
    expect(reasonOf(`https://${address.includes(':') ? `[${address}]` : address}/`)).toBe('address_refused');
  });

  it.each([
    'https://example.com/hook?x=1',
    'http://example.com:8080/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https://xn--bcher-kva.example/',
    'https://notlocalhost/',
    'https://localhost.example.com/',
    'HTTP://EXAMPLE.com/',
    'https://example.com/@name?to=a@b#:@',
  ])('accepts %s', (url) => {
    expect(checkTargetUrl(url, strict)).toEqual({ ok: true, url: new URL(url) });
  });

  it('accepts listed addresses, and localhost when either loopback is listed', () => {
    expect(reasonOf('http://10.1.2.3/', { allowTargets: ['10.0.0.0/8'] })).toBe('ok');
    expect(reasonOf('http://localhost:3000/', { allowTargets: ['127.0.0.0/8'] })).toBe('ok');
    expect(reasonOf('http://localhost:3000/', { allowTargets: ['::1/128'] })).toBe('ok');
    expect(reasonOf('http://localhost:3000/', { allowTargets: ['10.0.0.0/8'] })).toBe('address_refused');
  });

  it.each([
    ['', 'invalid_url'],
    ['example.com', 'invalid_url'],
    ['/hook', 'invalid_url'],
    ['https://', 'invalid_url'],
    ['https://a..b/', 'invalid_url'],
    [`https://${'a'.repeat(64)}.com/`, 'invalid_url'],
    ['https://exa mple.com/', 'invalid_url'],
    ['https://[fe80::1%25eth0]/', 'invalid_url'],
    ['https://[fe80::1%eth0]/', 'invalid_url'],
    ['https://[::1%25lo]/', 'invalid_url'],
    ['https://[2606:4700::1111%25eth0]/', 'invalid_url'],
    ['https://example.com%00.internal/', 'invalid_url'],
    ['https://127.0.0.1.1.1/', 'invalid_url'],
    ['ftp://example.com/', 'unsupported_scheme'],
    ['file:///etc/passwd', 'unsupported_scheme'],
    ['javascript:alert(1)', 'unsupported_scheme'],
    ['unix:/var/run/docker.sock', 'unsupported_scheme'],
    ['https://user@example.com/', 'credentials_in_url'],
    ['https://:password@example.com/', 'credentials_in_url'],
    ['http://@example.com/', 'credentials_in_url'],
    ['http://:@example.com/', 'credentials_in_url'],
    ['http:@example.com/', 'credentials_in_url'],
    ['https:\\\\user@example.com\\', 'credentials_in_url'],
    ['https://example.com@127.0.0.1/', 'credentials_in_url'],
    ['https://127.0.0\t.1/', 'address_refused'],
    ['https://127.0.0.1\\@example.com/', 'address_refused'],
    ['https://127.0.0.1#@example.com/', 'address_refused'],
    ['https://127.0.0.1?@example.com/', 'address_refused'],
    ['https://example.com:0/', 'port_refused'],
    ['https://example.com:65536/', 'invalid_url'],
    ['https://example.com:-1/', 'invalid_url'],
    ['http://example.com:22/', 'port_refused'],
    ['http://example.com:6667/', 'port_refused'],
    ['https://example.com:25/', 'port_refused'],
    [`https://example.com/${'a'.repeat(2048)}`, 'url_too_long'],
  ])('refuses %s as %s', (url, reason) => {
    expect(reasonOf(url)).toBe(reason);
  });
});

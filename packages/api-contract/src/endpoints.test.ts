import { describe, expect, it } from '@jest/globals';

import { patchEndpointSettings } from './endpoint-patch.js';
import {
  createEndpointBody,
  type EndpointSettings,
  patchEndpointBody,
  type PatchEndpointBody,
  rotateSecretBody,
} from './endpoints.js';
import { validateValue } from './validate-value.js';

const url = 'https://example.com/hook';
const create = (value: unknown) => validateValue(createEndpointBody, value, { convert: false });
const pathsOf = (value: unknown) => {
  const result = create(value);
  return result.ok ? [] : result.errors.map(({ path }) => path);
};

describe('createEndpointBody', () => {
  it('fills in the defaults', () => {
    expect(create({ url })).toEqual({
      ok: true,
      value: {
        url,
        eventTypes: ['*'],
        description: null,
        headers: {},
        signing: { scheme: 'standard' },
        retryPolicy: null,
        maxInFlight: null,
        rateLimit: null,
      },
    });
  });

  it.each([
    [{}, { scheme: 'standard' }],
    [{ scheme: 'timestamped' }, { scheme: 'timestamped' }],
    [{ scheme: 'digest' }, { scheme: 'digest', algorithm: 'sha256' }],
    [
      { scheme: 'digest', algorithm: 'sha512' },
      { scheme: 'digest', algorithm: 'sha512' },
    ],
  ])('takes the signing %j as %j', (given, signing) => {
    expect(create({ url, signing: given })).toMatchObject({ ok: true, value: { signing } });
  });

  it('gives every endpoint defaults of its own', () => {
    const [first, second] = [create({ url }), create({ url })];
    if (!first.ok || !second.ok) throw new Error('refused');
    first.value.headers['X-A'] = '1';
    expect(second.value.headers).toEqual({});
  });

  it.each([
    ['no url', {}, ['url']],
    ['a relative url', { url: '/hook' }, ['url']],
    ['another scheme', { url: 'ftp://example.com' }, ['url']],
    ['a url of 2,049 characters', { url: `https://example.com/${'a'.repeat(2_029)}` }, ['url']],
    ['no event types', { url, eventTypes: [] }, ['eventTypes']],
    ['a wildcard in the middle', { url, eventTypes: ['a.*.b'] }, ['eventTypes.0']],
    ['a repeated filter', { url, eventTypes: ['a', 'a'] }, ['eventTypes.1']],
    ['a number as text', { url, maxInFlight: '5' }, ['maxInFlight']],
    ['a rate without a period', { url, rateLimit: { max: 5 } }, ['rateLimit.perSeconds']],
    ['a signing header', { url, headers: { 'webhook-id': 'x' } }, ['headers']],
    ['a hop-by-hop header', { url, headers: { Connection: 'close' } }, ['headers']],
    ['a line break in a header', { url, headers: { 'X-A': 'a\r\nX-B: b' } }, ['headers']],
    ['a header that is no text', { url, headers: { 'X-A': 1 } }, ['headers.X-A']],
    ['the masked value of a header', { url, headers: { 'X-A': '********' } }, ['headers']],
    ['an unknown scheme', { url, signing: { scheme: 'none' } }, ['signing.scheme']],
    ['an unknown algorithm', { url, signing: { scheme: 'digest', algorithm: 'md5' } }, ['signing.algorithm']],
    [
      'an algorithm of a scheme that has none',
      { url, signing: { scheme: 'timestamped', algorithm: 'sha256' } },
      ['signing'],
    ],
    ['an unknown preset', { url, retryPolicy: { preset: 'never' } }, ['retryPolicy.preset']],
    ['no time to be parked', { url, retryPolicy: { parkedMaxSeconds: 0 } }, ['retryPolicy.parkedMaxSeconds']],
    [
      'more than 72 hours',
      { url, retryPolicy: { parkedMaxSeconds: 259_201 } },
      ['retryPolicy.parkedMaxSeconds'],
    ],
    ['no attempts', { url, retryPolicy: { maxAttempts: 0 } }, ['retryPolicy.maxAttempts']],
    [
      'a list of delays beside a base',
      { url, retryPolicy: { delaysSeconds: [1], baseSeconds: 2 } },
      ['retryPolicy'],
    ],
    [
      'a nested __proto__',
      { url, rateLimit: JSON.parse('{"max":1,"perSeconds":1,"__proto__":{}}') as unknown },
      ['rateLimit'],
    ],
    ['a header called __proto__', { url, headers: JSON.parse('{"__proto__":"1"}') as unknown }, ['headers']],
    ['a secret', { url, secret: 'whsec_x' }, ['secret']],
  ])('refuses %s', (_what, value, paths) => {
    expect(pathsOf(value)).toEqual(paths);
  });

  it('never repeats a header value', () => {
    expect(
      JSON.stringify(create({ url, headers: { Host: 'Bearer abc', 'X-{{y}}': 'Bearer abc' } })),
    ).not.toContain('Bearer');
  });
});

describe('patchEndpointSettings', () => {
  const current: EndpointSettings = {
    url,
    eventTypes: ['a'],
    description: 'text',
    headers: { 'X-A': '1', 'X-B': '2' },
    signing: { scheme: 'standard' },
    retryPolicy: { delaysSeconds: [1, 2], maxAttempts: 3, parkedMaxSeconds: 60 },
    maxInFlight: 5,
    rateLimit: { max: 10, perSeconds: 1 },
  };
  const patch = (change: unknown, settings = current) => {
    const checked = validateValue(patchEndpointBody, change, { convert: false });
    return checked.ok ? patchEndpointSettings(settings, checked.value) : checked;
  };

  it('keeps what is left out, merges objects, and sets what is null back to its default', () => {
    const change: PatchEndpointBody = {
      eventTypes: null,
      description: null,
      headers: { 'X-A': null, 'X-C': '3' },
      retryPolicy: { maxAttempts: 4 },
      maxInFlight: null,
      rateLimit: { max: 20 },
    };
    expect(patch(change)).toEqual({
      ok: true,
      value: {
        ...current,
        eventTypes: ['*'],
        description: null,
        headers: { 'X-B': '2', 'X-C': '3' },
        retryPolicy: { delaysSeconds: [1, 2], maxAttempts: 4, parkedMaxSeconds: 60 },
        maxInFlight: null,
        rateLimit: { max: 20, perSeconds: 1 },
      },
    });
  });

  it('takes out everything nested with null', () => {
    expect(patch({ headers: null, retryPolicy: null, rateLimit: null, signing: null })).toMatchObject({
      ok: true,
      value: { headers: {}, retryPolicy: null, rateLimit: null, signing: { scheme: 'standard' } },
    });
  });

  const sha512: EndpointSettings = { ...current, signing: { scheme: 'digest', algorithm: 'sha512' } };
  it.each([
    ['the algorithm alone', sha512, { algorithm: 'sha256' }, { scheme: 'digest', algorithm: 'sha256' }],
    ['a scheme without one', sha512, { scheme: 'timestamped' }, { scheme: 'timestamped' }],
    ['the scheme it has', sha512, { scheme: 'digest' }, { scheme: 'digest', algorithm: 'sha512' }],
    ['no algorithm', sha512, { algorithm: null }, { scheme: 'digest', algorithm: 'sha256' }],
    ['no scheme', sha512, { scheme: null }, { scheme: 'standard' }],
    ['a scheme with one', current, { scheme: 'digest' }, { scheme: 'digest', algorithm: 'sha256' }],
  ])('changes the signing to %s', (_what, settings, signing, expected) => {
    const patched = patch({ signing }, settings);
    expect(patched).toMatchObject({ ok: true });
    expect(patched.ok && patched.value.signing).toEqual(expected);
  });

  it('refuses an algorithm for a scheme that has none', () => {
    expect(patch({ signing: { algorithm: 'sha512' } })).toMatchObject({
      ok: false,
      errors: [{ path: 'signing' }],
    });
  });

  it('checks the whole after merging: two valid halves can make an invalid policy', () => {
    expect(patch({ retryPolicy: { baseSeconds: 5 } })).toMatchObject({
      ok: false,
      errors: [{ path: 'retryPolicy' }],
    });
    expect(patch({ retryPolicy: { baseSeconds: 5, delaysSeconds: null } })).toMatchObject({ ok: true });
    expect(patch({ rateLimit: { perSeconds: null, max: 1 } })).toMatchObject({ ok: false });
  });

  it.each([
    ['an empty patch', {}],
    ['an unknown member', { status: 'paused' }],
    ['a url taken out', { url: null }],
    ['a reserved header', { headers: { Host: 'example.com' } }],
    ['a list', []],
  ])('refuses %s', (_what, change) => {
    expect(patch(change)).toMatchObject({ ok: false });
  });

  it.each([
    ['removes', { 'x-a': null }, { 'X-B': '2' }],
    ['removes, shouted,', { 'X-a': null, 'x-B': null }, {}],
    ['replaces, and writes it as in the patch,', { 'x-a': '9' }, { 'X-B': '2', 'x-a': '9' }],
    ['replaces, in the same case,', { 'X-A': '9' }, { 'X-A': '9', 'X-B': '2' }],
    ['replaces one and removes another', { 'x-a': '9', 'x-b': null }, { 'x-a': '9' }],
    ['ignores the removal of what is not there', { 'X-C': null }, { 'X-A': '1', 'X-B': '2' }],
    ['does not take a longer name for', { 'x-aa': null }, { 'X-A': '1', 'X-B': '2' }],
  ])('%s a header whatever the case of its name', (_what, headers, expected) => {
    const patched = patch({ headers });
    expect(patched.ok && patched.value.headers).toEqual(expected);
  });

  it.each([
    [{ 'X-A': null, 'x-a': null }],
    [{ 'X-A': null, 'x-a': '1' }],
    [{ 'X-C': '1', 'x-c': '1' }],
    [{ 'X-C': '1', 'x-C': '2' }],
  ])('refuses %j, which names one header twice', (headers) => {
    expect(patch({ headers })).toMatchObject({
      ok: false,
      errors: [{ path: 'headers', message: expect.stringContaining('names have no case; give it once') }],
    });
  });

  it.each(['WEBHOOK-ID', 'hOST', 'transfer-ENCODING', 'sVIX-signature'])(
    'refuses %s, which is reserved in any case',
    (name) => {
      expect(patch({ headers: { [name]: 'x' } })).toMatchObject({ ok: false, errors: [{ path: 'headers' }] });
    },
  );
});

describe('rotateSecretBody', () => {
  const check = (value: unknown) => validateValue(rotateSecretBody, value, { convert: false });

  it('overlaps for a day unless told', () => {
    expect(check({})).toEqual({ ok: true, value: { overlapSeconds: 86_400 } });
  });

  it('takes a secret of the caller’s of 24 to 64 bytes only', () => {
    const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;
    expect(check({ secret: secretOf(24) }).ok).toBe(true);
    expect(check({ secret: secretOf(64) }).ok).toBe(true);
    expect(check({ secret: secretOf(23) }).ok).toBe(false);
    expect(check({ secret: secretOf(65) }).ok).toBe(false);
    expect(check({ secret: 'secret' }).ok).toBe(false);
  });
});

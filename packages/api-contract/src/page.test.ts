import { describe, expect, it } from '@jest/globals';

import { listDeliveriesQuery } from './deliveries.js';
import { decodeCursor, encodeCursor, pageQuery } from './page.js';
import { validateValue } from './validate-value.js';

const check = (value: unknown) => validateValue(pageQuery, value, { convert: true });

describe('pageQuery', () => {
  it('turns text into a number and has a default', () => {
    expect(check({})).toEqual({ ok: true, value: { limit: 50 } });
    expect(check({ limit: '250' })).toEqual({ ok: true, value: { limit: 250 } });
  });

  it.each([
    { limit: '0' },
    { limit: '251' },
    { limit: '1.5' },
    { limit: 'x' },
    { limit: '' },
    { limit: ['1', '2'] },
    { cursor: 'a b' },
    { page: '1' },
  ])('refuses %j', (query) => {
    expect(check(query).ok).toBe(false);
  });
});

describe('listDeliveriesQuery', () => {
  const list = (value: unknown) => validateValue(listDeliveriesQuery, value, { convert: true });

  it('gives uuids for ids and milliseconds for times', () => {
    expect(
      list({ endpointId: 'ep_01h455vb4pex5vsknk084sn02q', since: '2026-01-01T00:00:00Z' }),
    ).toMatchObject({
      ok: true,
      value: { endpointId: '01890a5d-ac96-774b-bcce-b302099a8057', since: Date.UTC(2026, 0, 1) },
    });
  });

  it.each([
    { endpointId: 'evt_01h455vb4pex5vsknk084sn02q' },
    { endpointId: '01890a5d-ac96-774b-bcce-b302099a8057' },
    { since: '2026-01-01' },
    { since: '2026-01-01T00:00:00' },
    { status: 'lost' },
    { unknown: '1' },
  ])('refuses %j', (query) => {
    expect(list(query).ok).toBe(false);
  });
});

describe('cursors', () => {
  it('come back as they were', () => {
    const position = ['2026-01-01T00:00:00.000Z', 'acme'];
    const cursor = encodeCursor(position);
    expect(check({ cursor }).ok).toBe(true);
    expect(decodeCursor(cursor, 2)).toEqual(position);
  });

  it.each([
    'x',
    '',
    encodeCursor(['one']),
    Buffer.from('[1,2]').toString('base64url'),
    Buffer.from('["a","b\\u0000"]').toString('base64url'),
  ])('that are not ours are told apart: %j', (cursor) => {
    expect(decodeCursor(cursor, 2)).toBeNull();
  });
});

import { describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { isDatabaseUnavailable } from './is-database-unavailable.js';

describe('isDatabaseUnavailable', () => {
  it('knows a refused connection by the real error', async () => {
    const pool = new pg.Pool({ connectionString: 'postgresql://x:x@127.0.0.1:1/x' });
    const error: unknown = await pool.query('SELECT 1').catch((reason: unknown) => reason);
    expect(isDatabaseUnavailable(error)).toBe(true);
    await pool.end();
  });

  it.each([
    '08006',
    '53100',
    '53200',
    '53300',
    '58030',
    '57P01',
    '57P03',
    '57014',
    '55P03',
    '25006',
    '25P03',
    '28000',
    '28P01',
    '3D000',
    'ECONNRESET',
    'EHOSTUNREACH',
    'EMFILE',
    'CERT_HAS_EXPIRED',
    'P1001',
    'P1017',
    'P2037',
  ])('takes %s for a state of the server', (code) => {
    expect(isDatabaseUnavailable(Object.assign(new Error('x'), { code }))).toBe(true);
  });

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    '\nInvalid `prisma.customer.findUnique()` invocation:\n\n\nConnection terminated unexpectedly',
    'Transaction API error: Unable to start a transaction in the given time.',
  ])('takes "%s" for one, which has no code', (message) => {
    expect(isDatabaseUnavailable(new Error(message))).toBe(true);
  });

  it.each([
    { meta: { driverAdapterError: { cause: { kind: 'ConnectionClosed' } } } },
    { meta: { driverAdapterError: { cause: { kind: 'postgres', originalCode: '57P03' } } } },
    { errors: [Object.assign(new Error('x'), { code: 'ECONNREFUSED' })] },
    { cause: { cause: Object.assign(new Error('x'), { code: '53300' }) } },
  ])('finds it where a driver has put it: %j', (facts) => {
    expect(isDatabaseUnavailable(Object.assign(new Error('x'), { code: 'P2010', ...facts }))).toBe(true);
  });

  it.each(['23505', '22P02', '23514', '40P01', '42P01', '42501', 'P2002', 'P2025', undefined])(
    'takes %s for the fault of a row or of ours',
    (code) => {
      expect(isDatabaseUnavailable(Object.assign(new Error('x'), { code }))).toBe(false);
    },
  );
});

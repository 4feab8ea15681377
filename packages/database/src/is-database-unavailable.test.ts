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

  it.each(['08006', '53300', '57P01', '57P03', '57014', '55P03', '25006', 'ECONNRESET'])(
    'takes %s for a state of the server',
    (code) => {
      expect(isDatabaseUnavailable(Object.assign(new Error('x'), { code }))).toBe(true);
    },
  );

  it.each(['23505', '22P02', '23514', '42P01', undefined])(
    'takes %s for the fault of a row or of ours',
    (code) => {
      expect(isDatabaseUnavailable(Object.assign(new Error('x'), { code }))).toBe(false);
    },
  );
});

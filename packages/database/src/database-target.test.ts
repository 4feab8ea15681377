import { describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { databaseTarget } from './database-target.js';

const url = 'postgresql://user:p%23%40ss@db.example.com:5432/posthorn';

describe('databaseTarget', () => {
  it.each(['prefer', 'require', 'verify-ca', 'verify-full'])(
    'checks the certificate with sslmode=%s, and the driver warns of nothing',
    (mode) => {
      const warnings: unknown[] = [];
      const warn = process.emitWarning;
      process.emitWarning = (warning) => warnings.push(warning);
      try {
        const { connectionString } = databaseTarget(`${url}?sslmode=${mode}`);
        new pg.Client(connectionString);
        expect(connectionString).toBe(`${url}?sslmode=verify-full`);
      } finally {
        process.emitWarning = warn;
      }
      expect(warnings).toEqual([]);
    },
  );

  it.each(['', '?sslmode=disable', '?sslmode=no-verify', '?uselibpqcompat=true&sslmode=require'])(
    'leaves the rest to the driver (%s)',
    (query) => expect(databaseTarget(url + query).connectionString).toBe(url + query),
  );
});

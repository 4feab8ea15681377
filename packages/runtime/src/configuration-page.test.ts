import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { configVariables } from './config-variables.js';
import { configurationPage } from './configuration-page.js';

describe('docs/configuration.md', () => {
  it('is what the table of variables says; `pnpm --filter @posthorn/runtime docs` writes it', () => {
    const page = readFileSync(path.resolve(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
    expect(page).toBe(configurationPage());
  });

  it('gives every variable a default, or says who needs it or what holds without it', () => {
    for (const { name, default: byDefault, requiredFor, whenUnset, meaning } of configVariables) {
      expect({ name, said: byDefault !== null || requiredFor.length > 0 || whenUnset !== undefined }).toEqual(
        {
          name,
          said: true,
        },
      );
      expect(meaning).toMatch(/\.$/);
    }
  });

  it('carries the unit of a quantity in its name', () => {
    const endings: Record<string, RegExp> = {
      milliseconds: /_MS$/,
      seconds: /_SECONDS$/,
      hours: /_HOURS$/,
      days: /_DAYS$/,
      bytes: /_BYTES_MAX$/,
      attempts: /_IN_FLIGHT_MAX$/,
      'requests per second': /_REQUESTS_PER_SECOND$/,
      'failures per minute': /_FAILURES_PER_MINUTE$/,
      endpoints: /_ENDPOINTS_MAX$/,
      connections: /_(?:POOL|CONNECTIONS)_MAX$/,
      streams: /_STREAMS_MAX$/,
    };
    for (const { name, unit } of configVariables) {
      if (unit !== null) expect(name).toMatch(endings[unit] ?? /^$/);
    }
  });
});

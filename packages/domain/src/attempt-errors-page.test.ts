import { readFileSync } from 'node:fs';
import path from 'node:path';
import { attemptErrors } from './attempt-errors.js';
import { expect, it } from '@jest/globals';

it('docs/api/attempt-errors.md has each code with its sentence, and no other', () => {
  const file = path.join(import.meta.dirname, '../../../docs/api/attempt-errors.md');
  const rows = [...readFileSync(file, 'utf8').matchAll(/^\| `([a-z0-9_]+)` +\| (.*?) +\|$/gm)];
  const table = Object.entries(attemptErrors).map(([code, { meaning }]) => [code, meaning]);
  expect(rows.map(([, code, meaning]) => [code, meaning]).sort()).toEqual(table.sort());
});

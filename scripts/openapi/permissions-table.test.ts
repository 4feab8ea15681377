import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { permissionsTable } from './permissions-table.js';

it('the table in docs/concepts/access.md is the one of the permissions; `npm run openapi:docs` writes it', () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/concepts/access.md'), 'utf8');
  expect(page).toContain(`\n\n${permissionsTable()}\n`);
});

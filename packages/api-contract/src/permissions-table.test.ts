import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { permissionsTable } from './permissions-table.js';

it('stands in docs/concepts/access.md; `pnpm --filter @posthorn/api-contract docs` writes it anew', () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../../docs/concepts/access.md'), 'utf8');
  expect(page).toContain(`\n\n${permissionsTable()}\n`);
});

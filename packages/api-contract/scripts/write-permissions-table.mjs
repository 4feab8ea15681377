// Writes the table in docs/concepts/access.md from the permissions.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import '../../../scripts/typescript-source.mjs';

const { permissionsTable } = await import('../src/permissions-table.ts');

const file = path.resolve(import.meta.dirname, '../../../docs/concepts/access.md');
const page = readFileSync(file, 'utf8');
writeFileSync(
  file,
  page.replace(/\| Operation.*\n(?:\|.*\n)+/, () => `${permissionsTable()}\n`),
);

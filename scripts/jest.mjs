// Runs Jest in ESM mode; prisma's client is generated first because the tests import it from source.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

if (changedAt('prisma/schema.prisma') > changedAt('packages/database/src/generated/client.ts'))
  run(['scripts/prisma.mjs', 'generate']);
run([
  '--experimental-vm-modules',
  '--no-warnings',
  'node_modules/jest/bin/jest.js',
  ...process.argv.slice(2),
]);

/** 0 for a file that is not there. */
function changedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function run(args) {
  const result = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

// `npm run check`: everything that is checked without running the program. `--results <file>` also writes
// [{name, passed}] for whoever counts.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';

const checks = [
  { name: 'format', command: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'] },
  { name: 'lint', command: ['node_modules/eslint/bin/eslint.js', '.'] },
  { name: 'types', command: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json'] },
  {
    name: 'unused',
    command: ['node_modules/knip/bin/knip.js', '--no-progress', '--tsConfig', 'tsconfig.knip.json'],
  },
  { name: 'api', command: ['scripts/openapi.mjs', 'check'] },
  { name: 'audit', command: ['scripts/audit.mjs'] },
];
/** What a check ends with that could not be made here: it neither passed nor failed. */
const NOT_KNOWN = 75;

// Types and imports include the generated database clients.
if (!existsSync('packages/database/src/generated/client.ts')) run(['scripts/prisma.mjs', 'generate']);
if (!existsSync('bench/src/generated/client.ts'))
  run(['scripts/prisma.mjs', 'generate', '--schema', 'bench/src/naive/schema.prisma']);

const results = checks.flatMap(({ name, command }) => {
  const startedMs = performance.now();
  const status = run(command);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const passed = status === 0;
  console.log(`${passed ? 'passed' : status === NOT_KNOWN ? 'skipped' : 'FAILED'}  ${name} (${seconds} s)`);
  return status === NOT_KNOWN ? [] : [{ name, passed }];
});

const resultsFile = process.argv[process.argv.indexOf('--results') + 1];
if (process.argv.includes('--results')) writeFileSync(resultsFile, JSON.stringify(results));
process.exit(results.every(({ passed }) => passed) ? 0 : 1);

function run(args) {
  return spawnSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status;
}

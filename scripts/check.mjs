// `npm run check`: everything that is checked without running the program. `--results <file>` also writes
// [{name, passed}] for .ci/run, which counts them. Checks run beside each other, one per core; each prints its output
// when it ends. Caches stand in node_modules/.cache/check: an unchanged file is not checked again. Lint rules that read
// types see a change in another file only when their own file changes too; a fresh clone has no cache and checks all.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';

const cache = 'node_modules/.cache/check';
mkdirSync(cache, { recursive: true });
const cached = (name) => ['--cache', '--cache-strategy=content', `--cache-location=${cache}/${name}`];

/** The slowest first, so that the others run beside it. */
const checks = [
  { name: 'lint', command: ['node_modules/eslint/bin/eslint.js', ...cached('eslint'), '.'] },
  {
    name: 'types',
    command: [
      'node_modules/typescript/bin/tsc',
      '--noEmit',
      '--incremental',
      '--tsBuildInfoFile',
      `${cache}/types.tsbuildinfo`,
      '-p',
      'tsconfig.json',
    ],
  },
  {
    name: 'format',
    command: [
      'node_modules/prettier/bin/prettier.cjs',
      '--check',
      '--log-level=warn',
      ...cached('prettier'),
      '.',
    ],
  },
  {
    name: 'unused',
    command: ['node_modules/knip/bin/knip.js', '--no-progress', '--tsConfig', 'tsconfig.knip.json'],
  },
  {
    name: 'cycles',
    command: [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      '--config=.dependency-cruiser.cjs',
      '--output-type=err',
      'apps',
      'packages',
      'tests',
      'bench',
    ],
  },
  { name: 'api', command: ['scripts/openapi.mjs', 'check'] },
  { name: 'audit', command: ['scripts/audit.mjs'] },
];
/** What a check ends with that could not be made here: it neither passed nor failed. */
const NOT_KNOWN = 75;

// Types and imports include the generated database clients.
if (!existsSync('packages/database/src/generated/client.ts')) generate();
if (!existsSync('bench/src/generated/client.ts')) generate('--schema', 'bench/src/naive/schema.prisma');

const waiting = [...checks];
const results = [];
await Promise.all(Array.from({ length: Math.max(2, os.availableParallelism()) }, runWaiting));

const resultsFile = process.argv[process.argv.indexOf('--results') + 1];
if (process.argv.includes('--results')) writeFileSync(resultsFile, JSON.stringify(results));
process.exit(results.every(({ passed }) => passed) ? 0 : 1);

async function runWaiting() {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) await runCheck(check);
}

async function runCheck({ name, command }) {
  const startedMs = performance.now();
  const { status, output } = await run(command);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const passed = status === 0;
  process.stdout.write(output);
  console.log(`${passed ? 'passed' : status === NOT_KNOWN ? 'skipped' : 'FAILED'}  ${name} (${seconds} s)`);
  if (status !== NOT_KNOWN) results.push({ name, passed });
}

function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    }
    child.on('error', (error) => resolve({ status: 1, output: `${error}\n` }));
    child.on('close', (status) => resolve({ status, output }));
  });
}

function generate(...options) {
  spawnSync(process.execPath, ['scripts/prisma.mjs', 'generate', ...options], { stdio: 'inherit' });
}

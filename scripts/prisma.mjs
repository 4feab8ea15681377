// `prisma generate`, `validate` and `format` never run the schema engine, yet the CLI wants one to exist and would
// download it. Naming any existing file keeps them offline.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const cli = path.join(
  path.dirname(createRequire(import.meta.url).resolve('prisma/package.json')),
  'build/index.js',
);
const args = process.argv.slice(2);
if (!args.includes('--schema')) args.push('--schema', 'prisma/schema.prisma');
const result = spawnSync(process.execPath, [cli, ...args], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'pipe'],
  env: {
    ...process.env,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    PRISMA_SCHEMA_ENGINE_BINARY: process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? process.execPath,
  },
});
if (result.status !== 0) process.stderr.write(result.stderr);
process.exit(result.status ?? 1);

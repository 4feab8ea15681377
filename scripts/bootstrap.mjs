// Makes `npm start` and `npm test` work on a machine that has only Node and npm:
// installs the workspace with the pinned pnpm when node_modules is missing or older than the lock file.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Posthorn needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

const stamp = 'node_modules/.modules.yaml';
const installed = existsSync(stamp) && statSync(stamp).mtimeMs >= statSync('pnpm-lock.yaml').mtimeMs;
if (!installed) {
  const { packageManager } = JSON.parse(readFileSync('package.json', 'utf8'));
  run('npx', [
    '--yes',
    packageManager,
    'install',
    '--frozen-lockfile',
    '--reporter=append-only',
    '--loglevel=warn',
  ]);
}
if (process.argv.includes('--build')) run(process.execPath, ['scripts/build.mjs']);

function run(command, args) {
  const result = spawnSync(command, args, {
    stdio: ['inherit', process.stderr.fd, 'inherit'],
    shell: process.platform === 'win32',
    env: { ...process.env, CI: '1' },
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

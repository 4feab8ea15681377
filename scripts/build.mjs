// Builds every workspace with turbo; what is up to date comes from its cache. Says nothing unless something fails.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

// turbo looks for pnpm on the PATH, where npm puts it but a shell does not.
const programs = path.resolve(import.meta.dirname, '../node_modules/.bin');
const result = spawnSync('turbo', ['run', 'build', '--output-logs=errors-only'], {
  stdio: ['ignore', 'pipe', 'pipe'],
  encoding: 'utf8',
  shell: process.platform === 'win32',
  env: {
    ...process.env,
    PATH: `${programs}${path.delimiter}${process.env.PATH}`,
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
  },
});
if (result.status !== 0) {
  process.stderr.write(result.error ? `${result.error}\n` : result.stdout + result.stderr);
  process.exit(1);
}

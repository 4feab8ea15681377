import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EmbeddedServiceError } from './embedded-service-error.js';
import { redisFromDebian } from './redis-from-debian.js';
import { redisEnvironment, type RedisProgram } from './redis-program.js';
import type { RunAs } from './run-as.js';

const oldestVersion: [number, number] = [6, 2];
const run = promisify(execFile);

/** A Redis (or Valkey) server that this system has, or else one unpacked from the distribution's own package. */
export async function findRedis(runAs: RunAs | undefined): Promise<RedisProgram> {
  const check = (program: RedisProgram) => checkVersion(program, runAs);
  let problem: unknown;
  for (const find of [
    () => onPath('redis-server', check),
    () => onPath('valkey-server', check),
    () => redisFromDebian(check),
  ]) {
    try {
      return await find();
    } catch (error) {
      problem = error;
    }
  }
  throw new EmbeddedServiceError(
    'There is no Redis 6.2 or newer to run. Install redis-server or valkey-server (macOS: brew install valkey), or set REDIS_URL.',
    { cause: problem },
  );
}

async function onPath(name: string, check: (program: RedisProgram) => Promise<void>): Promise<RedisProgram> {
  const { stdout } = await run('/bin/sh', ['-c', 'command -v "$1"', 'sh', name]);
  const program: RedisProgram = { path: stdout.trim(), libraryPath: null, from: 'PATH' };
  await check(program);
  return program;
}

async function checkVersion(program: RedisProgram, runAs: RunAs | undefined): Promise<void> {
  const { stdout } = await run(program.path, ['--version'], {
    ...runAs,
    cwd: '/',
    env: redisEnvironment(program),
  });
  const [, major, minor] = /v=(\d+)\.(\d+)/.exec(stdout) ?? [];
  const version = Number(major) * 1_000 + Number(minor);
  if (version >= oldestVersion[0] * 1_000 + oldestVersion[1]) return;
  throw new EmbeddedServiceError(`${program.path} is too old: ${stdout.trim()}`);
}

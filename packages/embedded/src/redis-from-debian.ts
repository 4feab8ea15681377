import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { buildOnce, cacheFolder } from './cache-folder.js';
import type { RedisProgram } from './redis-program.js';

const run = promisify(execFile);
// No root, no lock, and no minutes of waiting where there is no network.
const aptOptions = [
  'APT::Sandbox::User=',
  'Acquire::http::Timeout=20',
  'Acquire::https::Timeout=20',
  'Acquire::Retries=1',
];

/**
 * Unpacks the Redis of Debian, Ubuntu and their like into the cache folder: the package manager downloads and verifies
 * it, nothing is installed, no root is needed. An earlier one that no longer runs, because the system has changed under
 * it, is made again.
 */
export async function redisFromDebian(
  check: (program: RedisProgram) => Promise<void>,
): Promise<RedisProgram> {
  const cache = await cacheFolder();
  const folder = path.join(cache, `redis-${await systemName()}-${process.arch}`);
  if (existsSync(folder)) {
    const earlier = await programIn(folder);
    const runs = await check(earlier).then(
      () => true,
      () => false,
    );
    if (runs) return earlier;
    await rm(folder, { recursive: true, force: true });
  }
  await buildOnce(folder, async (unfinished) => {
    const work = await mkdtemp(path.join(cache, 'download-'));
    try {
      await unpackRedis(work, unfinished);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  const program = await programIn(folder);
  await check(program);
  return program;
}

async function programIn(folder: string): Promise<RedisProgram> {
  return {
    path: path.join(folder, 'usr/bin/redis-server'),
    libraryPath: (await libraryFolders(folder)).join(':'),
    from: 'Debian package',
  };
}

// A home folder may be shared by containers of different systems.
async function systemName(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? '';
  return `${value('ID')}-${value('VERSION_CODENAME')}`.replace(/[^a-z0-9.-]/gi, '_');
}

async function unpackRedis(work: string, target: string): Promise<void> {
  // The system's package lists first; images often ship without them, and old ones name files that are gone.
  const packages = await download(work, []).catch(async () => download(work, await freshLists(work)));
  for (const file of packages) await run('dpkg-deb', ['-x', file, target]);
  // The server is the same program as redis-check-rdb and goes by the name it is called.
  await rm(path.join(target, 'usr/bin/redis-server'), { force: true });
  await symlink('redis-check-rdb', path.join(target, 'usr/bin/redis-server'));
}

async function download(work: string, options: string[]): Promise<string[]> {
  const folder = await mkdtemp(path.join(work, 'packages-'));
  // What installing would bring along is what the system lacks.
  const plan = ['--simulate', '--no-install-recommends', '--reinstall', 'install', 'redis-tools'];
  const { stdout } = await apt(plan, options);
  const names = new Set([...stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? ''));
  await apt(['download', 'redis-tools', ...names], options, folder);
  return (await readdir(folder)).map((file) => path.join(folder, file));
}

async function freshLists(work: string): Promise<string[]> {
  const [lists, cache] = [path.join(work, 'lists'), path.join(work, 'cache')];
  await mkdir(path.join(lists, 'partial'), { recursive: true });
  await mkdir(path.join(cache, 'archives/partial'), { recursive: true });
  const options = [`Dir::State::lists=${lists}`, `Dir::Cache=${cache}`];
  await apt(['update', '-qq'], options);
  return options;
}

function apt(args: string[], options: string[], cwd = '/') {
  const given = [...aptOptions, ...options].flatMap((option) => ['-o', option]);
  return run('apt-get', [...given, ...args], { cwd, maxBuffer: 16 * 1024 * 1024 });
}

async function libraryFolders(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const base of ['usr/lib', 'lib']) {
    const entries = await readdir(path.join(folder, base), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) found.push(path.join(folder, base, entry.name));
  }
  return found;
}

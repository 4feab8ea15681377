import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DataFolder } from './data-folder.js';
import { EmbeddedServiceError } from './embedded-service-error.js';
import type { PostgresPrograms } from './postgres-programs.js';

export const postgresUser = 'posthorn';

/**
 * The path under which a Postgres program that was started inside its data folder finds it. As root the server is
 * another user, who often may not walk down to that folder: on Linux this link leads there without the walk.
 */
export function clusterPath(serverFolder: string): string {
  return process.platform === 'linux' ? '/proc/self/cwd' : serverFolder;
}

/**
 * The same for programs up to version 15, which come back to the folder they were started in by its name: that is `/`,
 * and the data folder is one that is passed on open.
 */
export function folderPath(serverFolder: string, fd: number): string {
  return process.platform === 'linux' ? `/proc/self/fd/${fd}` : serverFolder;
}

/** Which programs make a cluster, or run on it, and what is different with those of the operating system. */
export interface ClusterPrograms extends PostgresPrograms {
  foreign: boolean;
}

/** Makes the cluster beside its place and moves it there when finished, so that a kill half way leaves nothing to trip over. */
export async function ensureCluster(programs: ClusterPrograms, folder: DataFolder): Promise<void> {
  if (existsSync(path.join(folder.serverFolder, 'PG_VERSION'))) return;
  const unfinished = `${folder.serverFolder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  if (folder.runAs !== undefined) await chown(unfinished, folder.runAs.uid, folder.runAs.gid);
  await runInitdb(programs, unfinished, folder);
  await rm(folder.serverFolder, { recursive: true, force: true });
  await rename(unfinished, folder.serverFolder);
}

async function runInitdb(
  { initdb, foreign }: ClusterPrograms,
  cwd: string,
  { password, runAs }: DataFolder,
): Promise<void> {
  // Handed over as an open file: its path may be out of reach for the other user, and on the command line all could read it.
  const passwordFile = `${cwd}.password`;
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (runAs !== undefined) await chown(passwordFile, runAs.uid, runAs.gid);
  const handle = await open(passwordFile, 'r');
  const folder = await open(cwd, 'r');
  try {
    await rm(passwordFile);
    const data = foreign ? folderPath(cwd, 4) : clusterPath(cwd);
    const locale = foreign ? 'C.UTF-8' : 'C';
    const args = ['-D', data, '-U', postgresUser, '--pwfile=/dev/fd/3', '--auth=scram-sha-256'];
    const child = spawn(initdb, [...args, '--encoding=UTF8', `--locale=${locale}`, '--no-instructions'], {
      ...runAs,
      cwd: foreign ? '/' : cwd,
      env: {},
      stdio: ['ignore', 'ignore', 'pipe', handle.fd, folder.fd],
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new EmbeddedServiceError(`Postgres could not make its data folder: ${said.trim()}`);
  } finally {
    await folder.close();
    await handle.close();
  }
}

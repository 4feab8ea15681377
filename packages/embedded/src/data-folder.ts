import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { claimDataFolder } from './data-folder-claim.js';
import { EmbeddedServiceError } from './embedded-service-error.js';
import { runAsFor, type RunAs } from './run-as.js';

export interface DataFolder {
  path: string;
  /** The server's own folder inside: its working directory, owned by the user it runs as. */
  serverFolder: string;
  runAs: RunAs | undefined;
  password: string;
  logFile: string;
  /** No folder was given, so it is removed when the server stops. */
  temporary: boolean;
  /** Gives the folder back, and removes a temporary one. */
  release(): Promise<void>;
}

export async function openDataFolder(dataDir: string | undefined, serverName: string): Promise<DataFolder> {
  const temporary = dataDir === undefined;
  const folder = await realpath(
    temporary ? await mkdtemp(path.join(tmpdir(), `posthorn-${serverName}-`)) : await makeFolder(dataDir),
  );
  const unclaim = await claimDataFolder(folder);
  const release = async () => {
    await unclaim();
    if (temporary) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const serverFolder = path.join(folder, 'data');
    return {
      path: folder,
      serverFolder,
      runAs: runAsFor(serverFolder),
      password: await keptPassword(path.join(folder, 'password'), serverFolder),
      logFile: path.join(folder, `${serverName}.log`),
      temporary,
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function makeFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

async function keptPassword(file: string, serverFolder: string): Promise<string> {
  try {
    const kept = (await readFile(file, 'utf8')).trim();
    if (kept !== '') return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (existsSync(path.join(serverFolder, 'PG_VERSION'))) {
    throw new EmbeddedServiceError(`${file} is missing, so the data beside it cannot be opened.`);
  }
  const password = randomBytes(24).toString('base64url');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}

import { parseUrl } from '@posthorn/domain';
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Where the `dev` of a data folder listens, for the client commands; null while it does not run. What one that was
 * killed left behind does not count: someone else may listen there by now.
 */
export async function storedUrl(dataDir: string): Promise<URL | null> {
  const text = await readFile(fileIn(dataDir), 'utf8').catch(() => '');
  const [url = '', pid = ''] = text.split('\n');
  return isRunning(Number(pid)) ? parseUrl(url) : null;
}

export async function storeUrl(dataDir: string, url: string): Promise<void> {
  const unfinished = `${fileIn(dataDir)}.${randomUUID()}`;
  await writeFile(unfinished, `${url}\n${process.pid}\n`, { mode: 0o600 });
  await rename(unfinished, fileIn(dataDir));
}

/** Unless another `dev` has put its own there meanwhile. */
export async function removeStoredUrl(dataDir: string, url: string): Promise<void> {
  if ((await storedUrl(dataDir))?.href === new URL(url).href) await rm(fileIn(dataDir), { force: true });
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function fileIn(dataDir: string): string {
  return path.join(dataDir, 'url');
}

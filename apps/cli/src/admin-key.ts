import { randomBytes, randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { CommandError } from './command-error.js';

/** The admin key of `dev`: created at its first start and stored in the data folder, which only its owner can read. */
export async function readOrMakeAdminKey(dataDir: string): Promise<string> {
  return (await storedAdminKey(dataDir)) ?? (await makeAdminKey(dataDir));
}

/** Replaces a stored key that was revoked. */
export async function replaceAdminKey(dataDir: string): Promise<string> {
  await rename(await writeUnfinished(dataDir), fileIn(dataDir));
  return readOrMakeAdminKey(dataDir);
}

export async function storedAdminKey(dataDir: string): Promise<string | null> {
  const file = fileIn(dataDir);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new CommandError([`${file} cannot be read (${code}): run this as the user who started dev.`]);
  });
  if (text === null) return null;
  const key = text.trim();
  if (/^phk_[A-Za-z0-9_-]{20,}$/.test(key)) return key;
  throw new CommandError([`${file} holds no API key: remove it, and the next start creates one.`]);
}

// Linked into place when complete, and never over another's: what was printed once stays the key.
async function makeAdminKey(dataDir: string): Promise<string> {
  const unfinished = await writeUnfinished(dataDir);
  try {
    await link(unfinished, fileIn(dataDir));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
  return readOrMakeAdminKey(dataDir);
}

async function writeUnfinished(dataDir: string): Promise<string> {
  const unfinished = `${fileIn(dataDir)}.${randomUUID()}`;
  await writeFile(unfinished, `phk_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flush: true });
  return unfinished;
}

function fileIn(dataDir: string): string {
  return path.join(dataDir, 'admin-key');
}

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { generateKeyring, parseKeyring, type EncryptionKey } from './keyring.js';

/**
 * The keyring that `dev` keeps in its data folder, made at the first start. Losing the file means that the secrets in
 * the database there can no longer be read.
 */
export async function readOrMakeKeyring(dataDir: string): Promise<EncryptionKey[]> {
  const file = path.join(dataDir, 'encryption-keys');
  const text = (await readIfThere(file)) ?? (await makeKeyring(file));
  const parsed = parseKeyring(text.trim());
  if (!parsed.ok)
    throw new Error(`${file} cannot be used: ${parsed.problem}. Restore it, or remove the data folder.`);
  return parsed.keys;
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Renamed into place when complete: half a key file would lock its owner out. */
async function makeKeyring(file: string): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, `${generateKeyring()}\n`, { mode: 0o600, flush: true });
  await rename(unfinished, file);
  return await readFile(file, 'utf8');
}

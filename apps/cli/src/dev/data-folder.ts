import { access, constants, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';

import { CommandError } from '../command-error.js';

/** Makes the folder that `dev` keeps everything in, for its owner only, and returns its absolute path. */
export async function openDataFolder(dataDir: string): Promise<string> {
  const folder = path.resolve(dataDir);
  try {
    await makeFolder(folder);
    await readdir(folder);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError([
      `The data folder ${folder} cannot be used (${code}): make it writable for this user, or choose another one with POSTHORN_DATA_DIR.`,
    ]);
  }
}

// Not `recursive`, which never ends where a file system takes no folders, as in /proc.
async function makeFolder(folder: string): Promise<void> {
  try {
    await makeOne(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await makeFolder(path.dirname(folder));
    await makeOne(folder);
  }
}

async function makeOne(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
}

export const logFileName = 'posthorn.log';
const logBytesMax = 16 * 1024 * 1024;

/** The log of `dev`, which leaves the terminal to the summary. A large one of earlier starts is set aside as `.old`. */
export async function openLogFile(folder: string): Promise<Writable> {
  const file = path.join(folder, logFileName);
  const size = (await stat(file).catch(() => null))?.size ?? 0;
  if (size > logBytesMax) await rename(file, `${file}.old`);
  const handle = await open(file, 'a', 0o600).catch((error: unknown) => {
    throw new CommandError([`${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`]);
  });
  // A full disk costs the lines that do not fit: it must end neither the process nor the log.
  return new Writable({
    write: (chunk: Buffer, _encoding, done) =>
      void handle.write(chunk).then(
        () => done(),
        () => done(),
      ),
    final: (done) =>
      void handle.close().then(
        () => done(),
        () => done(),
      ),
  });
}

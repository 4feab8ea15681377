import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EmbeddedServiceError } from './embedded-service-error.js';
import { processStartedAt } from './live-process.js';

/**
 * One Node process at a time manages a data folder: a second one would take the first one's server for a leftover and
 * stop it. A claim whose process has died, even if its id is in use again, does not count. Returns the release.
 */
export async function claimDataFolder(folder: string): Promise<() => Promise<void>> {
  const file = path.join(folder, 'claim.json');
  const claim = { pid: process.pid, startedAt: processStartedAt(process.pid), id: randomUUID() };
  const mine = JSON.stringify(claim);
  for (;;) {
    if (await createWhole(file, mine, claim.id)) {
      return async () => {
        if ((await readClaim(file)) === mine) await rm(file, { force: true });
      };
    }
    const theirs = await readClaim(file);
    if (theirs === null) continue;
    const holder = livingHolder(theirs);
    if (holder !== null) {
      throw new EmbeddedServiceError(`${folder} is in use by process ${holder}; stop that one first.`);
    }
    await removeDeadClaim(file, theirs);
  }
}

// Never seen half written, unlike a file that is created and then filled.
async function createWhole(file: string, content: string, id: string): Promise<boolean> {
  const unseen = `${file}.${id}`;
  await writeFile(unseen, content, { mode: 0o600 });
  try {
    await link(unseen, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(unseen, { force: true });
  }
}

async function readClaim(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
}

function livingHolder(claim: string): number | null {
  try {
    const { pid, startedAt } = JSON.parse(claim) as { pid: number; startedAt: string };
    return processStartedAt(pid) === startedAt ? pid : null;
  } catch {
    return null; // torn by a crash
  }
}

// Moved away before it is removed: when two processes find the same dead claim, the slower one may have caught the
// faster one's new claim, and then gives it back.
async function removeDeadClaim(file: string, dead: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  if ((await readClaim(aside)) === dead) await rm(aside, { force: true });
  else await rename(aside, file);
}

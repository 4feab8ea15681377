import { createHash, randomUUID } from 'node:crypto';
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
  const unseen = `${file}.${claim.id}`;
  await writeFile(unseen, mine, { mode: 0o600 });
  try {
    while (!(await take(file, unseen))) {
      // Somebody else did something: look again.
    }
  } finally {
    await rm(unseen, { force: true });
  }
  return async () => {
    if ((await readClaim(file)) === mine) await rm(file, { force: true });
  };
}

/**
 * False when the claims have changed meanwhile. A dead claim is not removed, since who does so may meet the claim of one
 * that was faster. It is succeeded: the right to do so is a file that is named after the dead claim, which only one can
 * make. It is there until the claim of the successor, or of the successor's successor, stands in place of the first.
 */
async function take(file: string, unseen: string): Promise<boolean> {
  const first = await readClaim(file);
  if (first === null) return createWhole(unseen, file);
  const steps: string[] = [];
  let mine = '';
  for (let last: string | null = first; last !== null; last = await readClaim(mine)) {
    const holder = livingHolder(last);
    if (holder !== null) {
      throw new EmbeddedServiceError(
        `${path.dirname(file)} is in use by process ${holder}; stop that one first.`,
      );
    }
    mine = successorOf(file, last);
    steps.push(mine);
  }
  if (!(await createWhole(unseen, mine))) return false;
  if ((await readClaim(file)) !== first) {
    // Another has succeeded it and removed what shows that; this is a right to nothing.
    await rm(mine, { force: true });
    return false;
  }
  await rename(unseen, file);
  for (const step of steps) await rm(step, { force: true });
  return true;
}

/** The file that is the right to succeed this claim. */
export function successorOf(file: string, claim: string): string {
  return `${file}.after-${createHash('sha256').update(claim).digest('hex')}`;
}

/** Never seen half written, unlike a file that is created and then filled. */
async function createWhole(unseen: string, file: string): Promise<boolean> {
  try {
    await link(unseen, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
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

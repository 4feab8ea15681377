import { chmod, lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { EmbeddedServiceError } from './embedded-service-error.js';

/**
 * A folder for programs that were copied or downloaded, which no other local user can write to: what lies in it is
 * executed. All users may read it, because root runs the servers as another user.
 */
export async function cacheFolder(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const shared = uid === 0 ? '/var/cache/posthorn' : path.join(homedir(), '.cache', 'posthorn');
  const candidates = [shared, path.join(tmpdir(), `posthorn-${uid}`)].filter((folder) =>
    path.isAbsolute(folder),
  );
  for (const folder of candidates) {
    if (await isOurs(folder, uid)) return folder;
  }
  throw new EmbeddedServiceError(`No safe folder for programs: tried ${candidates.join(' and ')}.`);
}

/**
 * Builds `folder` once: `build` fills a folder beside it, which takes the name only when finished. Callers that race
 * each build their own; the first to finish is kept.
 */
export async function buildOnce(folder: string, build: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = await mkdtemp(`${folder}.unfinished-`);
  try {
    await chmod(unfinished, 0o755);
    await build(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function isOurs(folder: string, uid: number): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    const found = await lstat(folder);
    if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== uid)) return false;
    if ((found.mode & 0o777) !== 0o755) await chmod(folder, 0o755);
    return true;
  } catch {
    return false;
  }
}

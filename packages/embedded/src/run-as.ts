import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { EmbeddedServiceError } from './embedded-service-error.js';

export interface RunAs {
  uid: number;
  gid: number;
}

/**
 * The user a server runs as. Ourselves (undefined), except for root: Postgres refuses to be root and Redis should not
 * be. Then it is the owner of the existing data, else an unprivileged user that every system has.
 */
export function runAsFor(serverFolder: string): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = statSync(serverFolder, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const found = userNamed('postgres') ?? userNamed('nobody');
  if (found === undefined)
    throw new EmbeddedServiceError('Running as root needs a user named postgres or nobody.');
  return found;
}

function userNamed(name: string): RunAs | undefined {
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

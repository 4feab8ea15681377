import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

const onLinux = process.platform === 'linux';

/**
 * When the process began, as text that is only good for comparing: together with the id it tells a process apart from
 * a later one that was given the same id. Null when no such process lives; a zombie counts as dead.
 */
export function processStartedAt(pid: number): string | null {
  if (onLinux) return linuxStat(pid)?.startedAt ?? null;
  const [state, ...startedAt] = (tryRun('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]) ?? '')
    .trim()
    .split(/\s+/);
  return !state || state.startsWith('Z') ? null : startedAt.join(' ');
}

/** Whether a living process of one of these programs works in exactly that folder, wherever it has been moved to. */
export function isProcessIn(folder: string, pid: number, programs: string[]): boolean {
  try {
    const program = onLinux
      ? linuxStat(pid)?.program
      : tryRun('ps', ['-o', 'comm=', '-p', String(pid)])?.trim();
    if (!programs.some((name) => program === name || program?.endsWith(`/${name}`))) return false;
    const workingFolder = onLinux ? `/proc/${pid}/cwd` : openFolderOf(pid);
    if (workingFolder === undefined) return false;
    const [theirs, ours] = [statSync(workingFolder), statSync(folder)];
    return theirs.dev === ours.dev && theirs.ino === ours.ino;
  } catch {
    return false; // gone meanwhile, or somebody else's
  }
}

// No `ps` here: slim images do not have it.
function linuxStat(pid: number): { program: string; startedAt: string } | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // proc(5): pid (program) state … starttime is field 22; the program's name may itself hold spaces and parentheses.
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return { program: stat.slice(stat.indexOf('(') + 1, nameEnd), startedAt: fields[19] ?? '' };
}

function openFolderOf(pid: number): string | undefined {
  const lines = tryRun('lsof', ['-a', '-p', String(pid), '-d', 'cwd', '-Fn'])?.split('\n');
  return lines?.find((line) => line.startsWith('n'))?.slice(1);
}

function tryRun(command: string, args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

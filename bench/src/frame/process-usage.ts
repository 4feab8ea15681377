import { readFileSync } from 'node:fs';

/** The kernel's clock ticks per second, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  cpuMs: number;
  rssPeakBytes: number;
}

/** What a process has used so far, by the kernel's own accounting. Linux only. */
export function readProcessUsage(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command name, in parentheses, may hold spaces: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const peakKb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { cpuMs: (ticks * 1000) / TICKS_PER_SECOND, rssPeakBytes: Number(peakKb ?? 0) * 1024 };
}

/** A server and its children, such as Postgres with one process per connection. */
export function readTreeCpuMs(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Children that have ended and were waited for are in fields 13 and 14.
  const own = [11, 12, 13, 14].reduce((ticks, index) => ticks + Number(fields[index]), 0);
  const living = children === '' ? [] : children.split(' ').map(Number);
  return (own * 1000) / TICKS_PER_SECOND + living.reduce((sum, child) => sum + cpuMsIfThere(child), 0);
}

/** 0 for one that has ended since it was listed, as a Postgres process of autovacuum's may at any moment. */
function cpuMsIfThere(pid: number): number {
  try {
    return readProcessUsage(pid).cpuMs;
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      (error as NodeJS.ErrnoException).code === 'ESRCH'
    )
      return 0;
    throw error;
  }
}

export function readRssBytes(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb ?? 0) * 1024;
}

import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  /** Processes that wanted a core in the minute before: what else ran there. */
  loadBefore: number;
}

export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model ?? 'unknown CPU',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${systemName()}, ${os.type()} ${os.release()}`,
    node: process.versions.node,
    loadBefore: Number((os.loadavg()[0] ?? 0).toFixed(2)),
  };
}

export function formatMachine({ cpu, cores, memoryGiB, system, node, loadBefore }: Machine): string {
  return `${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}; load before: ${loadBefore}; everything on this machine`;
}

/** CPU time of the whole machine so far, ms. */
export function readMachineCpu(): { busyMs: number; totalMs: number } {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of os.cpus()) {
    const ms = times.user + times.nice + times.sys + times.irq;
    busyMs += ms;
    totalMs += ms + times.idle;
  }
  return { busyMs, totalMs };
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown system';
  } catch {
    return os.platform();
  }
}

import type { Contestant } from './contestant.js';
import { readProcessUsage, readTreeCpuMs } from './process-usage.js';
import type { Stage } from './stage.js';

export interface CpuUse {
  ingest: number;
  worker: number;
  postgres: number;
  redis: number;
  receiver: number;
  load: number;
}

/** CPU milliseconds (user and system) that each part has used so far, all workers together. */
export function readCpuMs(stage: Stage, contestant: Contestant): CpuUse {
  const own = (pid: number) => readProcessUsage(pid).cpuMs;
  return {
    ingest: own(contestant.ingest.pid),
    worker: contestant.workers.reduce((sum, { pid }) => sum + own(pid), 0),
    postgres: readTreeCpuMs(stage.postgresPid),
    redis: own(stage.redisPid),
    receiver: own(stage.receiver.pid),
    load: own(stage.load.pid),
  };
}

/** Microseconds per event between two readings. */
export function cpuPerEvent(before: CpuUse, after: CpuUse, events: number): CpuUse {
  const per = (part: keyof CpuUse) => Math.round(((after[part] - before[part]) * 1000) / events);
  return {
    ingest: per('ingest'),
    worker: per('worker'),
    postgres: per('postgres'),
    redis: per('redis'),
    receiver: per('receiver'),
    load: per('load'),
  };
}

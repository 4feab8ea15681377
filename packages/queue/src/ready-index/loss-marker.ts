import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { renewMarker } from './lua/renew-marker.js';
import { defineScript } from '../script.js';

export interface LossMarker {
  /**
   * Leaves a new value in Redis. `lost` unless Redis still held the `known` one, on the same run of the same server:
   * emptied, restarted, another node instead of it, or put back to an earlier state. The caller keeps the new value, once
   * what was lost is being looked for; until it has, every call says `lost`.
   */
  renew(known: string | null): Promise<{ marker: string; lost: boolean }>;
}

/** Detects that the Redis of one shard may have lost jobs since the last call. */
export function createLossMarker(redis: Redis, prefix: string): LossMarker {
  const run = defineScript(redis, 'posthorn:renewMarker', 1, renewMarker);
  return {
    async renew(known) {
      const runId = runIdIn(await redis.info('server'));
      const marker = `${runId}/${randomUUID()}`;
      // A restart keeps what was on disk, which may be a second old, and a failover what had been copied.
      const sameRun = known?.startsWith(`${runId}/`) === true;
      const intact = await run([`${prefix}:index:marker`, sameRun ? known : '', marker]);
      return { marker, lost: intact !== 1 };
    },
  };
}

function runIdIn(info: string): string {
  return /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
}

import { type DatabaseConnection, type DatabasePool, inTransaction, oldestDayKept } from '@posthorn/database';
import { nextFailing } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  type FailingLimits,
  type JudgedEndpoint,
  saveFailingEndpoints,
} from '../endpoint-health/failing-endpoints.sql.js';
import { tellExhausted } from '../operational-events/gather-exhausted.sql.js';
import { forgetClosings } from '../settle/note-closings.sql.js';
import { takeAttemptReader } from './attempt-reader.sql.js';
import { type EndpointSeen, rollUpAttempts } from './roll-up-attempts.sql.js';
import { rollUpEnds } from './roll-up-ends.sql.js';

/** Several processes ask in turn; one reading in this time is enough for all of them. */
const NOT_WITHIN_MS = 4_000;
const EXHAUSTED_EVERY_MS = 60_000;

export interface AttemptReadingDeps {
  pool: DatabasePool;
  clock: Clock;
  retentionDays: number;
  failingLimits: FailingLimits;
  /** A pass does nothing when another was this recently. Default 4 s. */
  notWithinMs?: number;
  /** Of an endpoint's dead letters one notice is made in this time. Default 1 minute. */
  exhaustedEveryMs?: number;
}

export interface AttemptReading {
  /**
   * Reads what was recorded since the last pass, here or elsewhere, until it is all read or the signal aborts, and rests
   * between one go and the next for as long as the one took: nobody waits for it. Returns how many attempts this process
   * read. Several processes may run it at once: one reads at a time, each attempt once.
   */
  run(signal: AbortSignal): Promise<number>;
}

/**
 * Makes the statistics from attempts and ends of deliveries, keeps which endpoints fail, and notes what is to be told of
 * both, see docs/adr/0014-reading-attempts.md. All of it is committed together.
 */
export function createAttemptReading({
  pool,
  clock,
  retentionDays,
  failingLimits,
  notWithinMs = NOT_WITHIN_MS,
  exhaustedEveryMs = EXHAUSTED_EVERY_MS,
}: AttemptReadingDeps): AttemptReading {
  return {
    async run(signal) {
      let attempts = 0;
      let pauseMs = notWithinMs;
      for (let more = true; more && !signal.aborted;) {
        const beganMs = performance.now();
        const read = await inTransaction(pool, (client) => readOn(client, pauseMs));
        attempts += read?.attempts ?? 0;
        more = read?.more ?? false;
        if (more) await sleep(performance.now() - beganMs, undefined, { signal }).catch(() => undefined);
        pauseMs = 0;
      }
      return attempts;
    },
  };

  async function readOn(
    client: DatabaseConnection,
    pauseMs: number,
  ): Promise<{ attempts: number; more: boolean } | null> {
    const reader = await takeAttemptReader(client, pauseMs);
    if (!reader) return null;
    const oldestMs = oldestDayKept(clock.nowMs(), retentionDays);
    const read = await rollUpAttempts(client, reader, oldestMs);
    await saveFailingEndpoints(client, judge(read.endpoints, failingLimits.warnAfterMs), failingLimits);
    const moreEnds = await rollUpEnds(client, oldestMs);
    await tellExhausted(client, exhaustedEveryMs);
    await forgetClosings(client);
    return { attempts: read.attempts, more: read.behind || moreEnds };
  }
}

/** Those of which something is to be kept otherwise than before. */
function judge(endpoints: readonly EndpointSeen[], warnAfterMs: number | null): JudgedEndpoint[] {
  return endpoints.flatMap(({ endpointId, epoch, kept: before, ...seen }): JudgedEndpoint[] => {
    const { kept, news } = nextFailing(before, seen, warnAfterMs);
    if (kept === null) return [{ endpointId, epoch, failing: null, news }];
    const { sinceMs } = kept;
    return kept === before || sinceMs === null
      ? []
      : [{ endpointId, epoch, failing: { ...kept, sinceMs }, news }];
  });
}

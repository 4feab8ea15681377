import { type DatabaseConnection, type DatabasePool, inTransaction, oldestDayKept } from '@posthorn/database';
import { nextFailing } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  type FailingLimits,
  type JudgedEndpoint,
  saveFailingEndpoints,
} from '../endpoint-health/failing-endpoints.sql.js';
import { reportExhausted } from '../operational-events/gather-exhausted.sql.js';
import { dropOldStreamOutcomes } from '../settle/record-stream-outcomes.sql.js';
import { takeAttemptReader } from './attempt-reader.sql.js';
import { type EndpointSeen, rollUpAttempts } from './roll-up-attempts.sql.js';
import { rollUpOutcomes } from './roll-up-outcomes.sql.js';

/** Several processes try; one roll-up in this time is enough for all of them. */
const NOT_WITHIN_MS = 4_000;
const EXHAUSTED_EVERY_MS = 60_000;

export interface StatisticsRollUpDeps {
  pool: DatabasePool;
  clock: Clock;
  retentionDays: number;
  failingLimits: FailingLimits;
  /** A run does nothing if another one ended this recently. Default 4 s. */
  notWithinMs?: number;
  /** The dead letters of an endpoint become one operational event in this time. Default 1 minute. */
  exhaustedEveryMs?: number;
}

export interface StatisticsRollUp {
  /**
   * Rolls up what was recorded since the last run, here or elsewhere, until all of it is read or the signal aborts. Between
   * two batches it rests for as long as the first one took. Returns how many attempts this process read. Several processes
   * may run it at once: one reads at a time, and each attempt is read once.
   */
  run(signal: AbortSignal): Promise<number>;
}

/**
 * Makes the statistics from attempts and outcomes of deliveries, stores which endpoints fail, and adds operational events
 * of both to the outbox, see docs/adr/0014-reading-attempts.md. All of it is one transaction.
 */
export function createStatisticsRollUp({
  pool,
  clock,
  retentionDays,
  failingLimits,
  notWithinMs = NOT_WITHIN_MS,
  exhaustedEveryMs = EXHAUSTED_EVERY_MS,
}: StatisticsRollUpDeps): StatisticsRollUp {
  return {
    async run(signal) {
      let attempts = 0;
      let pauseMs = notWithinMs;
      for (let more = true; more && !signal.aborted;) {
        const beganMs = performance.now();
        const read = await inTransaction(pool, (client) => runBatch(client, pauseMs));
        attempts += read?.attempts ?? 0;
        more = read?.more ?? false;
        if (more) await sleep(performance.now() - beganMs, undefined, { signal }).catch(() => undefined);
        pauseMs = 0;
      }
      return attempts;
    },
  };

  async function runBatch(
    client: DatabaseConnection,
    pauseMs: number,
  ): Promise<{ attempts: number; more: boolean } | null> {
    const reader = await takeAttemptReader(client, pauseMs);
    if (!reader) return null;
    const oldestMs = oldestDayKept(clock.nowMs(), retentionDays);
    const read = await rollUpAttempts(client, reader, oldestMs);
    await saveFailingEndpoints(client, judge(read.endpoints, failingLimits.warnAfterMs), failingLimits);
    const moreEnds = await rollUpOutcomes(client, oldestMs);
    await reportExhausted(client, exhaustedEveryMs);
    await dropOldStreamOutcomes(client);
    return { attempts: read.attempts, more: read.hasMore || moreEnds };
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

import {
  operations,
  type StatsBucket,
  type StatsBucketResource,
  statsBucketsMax,
  type StatsQuery,
  timestampMsMax,
  timestampMsMin,
} from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore } from '@posthorn/database';
import type { Statistics, StatisticsStore } from '@posthorn/delivery/statistics';
import { latencyPercentile } from '@posthorn/domain';
import { AppError, mountOperation } from '@posthorn/http';
import type { Clock } from '@posthorn/runtime';
import type { RequestHandler, Router } from 'express';
import { findHistoryOwner } from './history-owner.js';
import type { TakeTurn } from './take-turns.js';

export interface StatsDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  endpoints: EndpointStore;
  statistics: StatisticsStore;
  takeTurn: TakeTurn;
  clock: Clock;
}

const bucketMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
/** As many buckets up to now as a chart shows when nothing else is asked for. */
const bucketsDefault = { minute: 60, hour: 24, day: 30 } as const;

export function mountStats(
  router: Router,
  { authentication, customers, endpoints, statistics, takeTurn, clock }: StatsDeps,
): void {
  mountOperation(router, operations.getStats, authentication, async ({ query, caller }) => {
    const owner = await findHistoryOwner({ customers, endpoints }, caller, query);
    const { bucket } = query;
    const [sinceMs, untilMs] = rangeOf(query, clock.nowMs());
    const read = async () => ({
      // Asked first: what is counted meanwhile is more than was promised, not less.
      countedUntil: await statistics.countedUntil(),
      counted: await statistics.read({ ...owner, span: bucket, sinceMs, untilMs }),
    });
    const { customerId, endpointId } = owner;
    // One endpoint's rows are bounded by the buckets; those of a customer or of all are not.
    const { countedUntil, counted } =
      endpointId === undefined ? await takeTurn({ caller, customerId }, read) : await read();
    return {
      status: 200,
      body: {
        bucket,
        since: new Date(sinceMs).toISOString(),
        until: new Date(untilMs).toISOString(),
        countedUntil: countedUntil.toISOString(),
        data: everyBucket(counted, bucket, sinceMs, untilMs),
      },
    };
  });
}

/** Whole buckets. */
function rangeOf({ bucket, since, until }: StatsQuery, nowMs: number): [number, number] {
  const width = bucketMs[bucket];
  // The bucket behind the last one of the year 9999 begins at no time that can be written.
  const untilMs =
    Math.min(Math.ceil((until ?? nowMs + 1) / width), Math.floor(timestampMsMax / width)) * width;
  const sinceMs =
    since === undefined
      ? Math.max(untilMs - bucketsDefault[bucket] * width, timestampMsMin)
      : Math.floor(since / width) * width;
  const buckets = (untilMs - sinceMs) / width;
  if (buckets > 0 && buckets <= statsBucketsMax) return [sinceMs, untilMs];
  throw new AppError({
    code: 'invalid_request',
    detail: 'The time range is empty or too long.',
    errors: [
      {
        path: 'since',
        message:
          buckets <= 0
            ? '"since" must be before "until"'
            : `"since" must be at most ${statsBucketsMax} buckets before "until"; ask for a shorter time or a wider bucket`,
      },
    ],
  });
}

function everyBucket(
  counted: readonly Statistics[],
  bucket: StatsBucket,
  sinceMs: number,
  untilMs: number,
): StatsBucketResource[] {
  const found = new Map(counted.map((statistics) => [statistics.startsAtMs, statistics]));
  const buckets: StatsBucketResource[] = [];
  for (let atMs = sinceMs; atMs < untilMs; atMs += bucketMs[bucket])
    buckets.push(bucketResource(atMs, found.get(atMs)));
  return buckets;
}

function bucketResource(atMs: number, statistics: Statistics | undefined): StatsBucketResource {
  const { successes = 0, failures = 0, deadLettered = 0, cancelled = 0 } = statistics ?? {};
  const p50 = statistics ? latencyPercentile(statistics.latencies, 0.5) : null;
  const p95 = statistics ? latencyPercentile(statistics.latencies, 0.95) : null;
  return {
    startsAt: new Date(atMs).toISOString(),
    attempts: successes + failures,
    successes,
    failures,
    latencyMs: p50 === null || p95 === null ? null : { p50, p95 },
    deliveries: { delivered: successes, deadLettered, cancelled },
  };
}

import { Joi } from './strict-joi.js';

import { customerId, idInput, time, timestampInput } from './fields.js';

const statsBuckets = ['minute', 'hour', 'day'] as const;
export type StatsBucket = (typeof statsBuckets)[number];

/** Buckets of one answer. */
export const statsBucketsMax = 1_500;

/** `endpointId` is a uuid, `since` and `until` milliseconds: the query after validation. */
export interface StatsQuery {
  customerId?: string;
  endpointId?: string;
  bucket: StatsBucket;
  since?: number;
  until?: number;
}

export interface StatsResource {
  bucket: StatsBucket;
  since: string;
  until: string;
  countedUntil: string;
  data: StatsBucketResource[];
}

export interface StatsBucketResource {
  startsAt: string;
  attempts: number;
  successes: number;
  failures: number;
  latencyMs: { p50: number; p95: number } | null;
  deliveries: { delivered: number; deadLettered: number; cancelled: number };
}

export const statsQuery = Joi.object<StatsQuery, true>({
  customerId,
  endpointId: idInput('endpoint'),
  bucket: Joi.string()
    .valid(...statsBuckets)
    .default('hour')
    .description('Minutes, hours or days in UTC.'),
  since: timestampInput().description(
    'Rounded down to the start of its bucket. Default: 60 minutes, 24 hours or 30 days before `until`.',
  ),
  until: timestampInput().description('Rounded up to the end of its bucket. Default: now.'),
});

const count = Joi.number().integer().min(0).required();
const latency = Joi.number().integer().min(0).required();

const statsBucketResource = Joi.object<StatsBucketResource, true>({
  startsAt: time.required(),
  attempts: count.description(
    'Attempts that started in the bucket. Tests and overlapped attempts are not counted.',
  ),
  successes: count.description('Attempts of these that were delivered.'),
  failures: count.description('The other attempts.'),
  latencyMs: Joi.object({
    p50: latency.description('Half of the attempts took at most this long.'),
    p95: latency.description('95 % of the attempts took at most this long.'),
  })
    .allow(null)
    .required()
    .description('Latency of all attempts, including failed ones, within 10 %; null when there were none.'),
  deliveries: Joi.object({
    delivered: count.description('Delivered by attempts that started in the bucket.'),
    deadLettered: count.description('Not retried any more.'),
    cancelled: count.description('Cancelled, also because the endpoint was deleted.'),
  })
    .required()
    .description('Deliveries that ended in the bucket. A replayed delivery ends again.'),
});

export const statsResource = Joi.object<StatsResource, true>({
  bucket: Joi.string()
    .valid(...statsBuckets)
    .required()
    .description('As in the request.'),
  since: time.required(),
  until: time.required(),
  countedUntil: time
    .required()
    .description(
      'Everything recorded until this time is counted. While workers run, it is a few seconds ago.',
    ),
  data: Joi.array().items(statsBucketResource).required().description('Every bucket, oldest first.'),
});

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

export const statsQuery = Joi.object<StatsQuery>({
  customerId,
  endpointId: idInput('endpoint'),
  bucket: Joi.string()
    .valid(...statsBuckets)
    .default('hour')
    .description('Minutes, hours or days in UTC.'),
  since: timestampInput().description(
    'Moved back to where its bucket begins. 60 minutes, 24 hours or 30 days before `until` when left out.',
  ),
  until: timestampInput().description('Moved on to where its bucket ends. Now when left out.'),
});

const count = Joi.number().integer().min(0).required();
const latency = Joi.number().integer().min(0).required();

const statsBucketResource = Joi.object<StatsBucketResource>({
  startsAt: time.required(),
  attempts: count.description(
    'Attempts that started in it; test sends and overlapped attempts are not counted.',
  ),
  successes: count.description('Of those, the delivered ones.'),
  failures: count.description('The others.'),
  latencyMs: Joi.object({
    p50: latency.description('Half of them were no longer.'),
    p95: latency.description('19 of 20 were no longer.'),
  })
    .allow(null)
    .required()
    .description('How long the attempts took, failed ones too, within 10 %; null when there were none.'),
  deliveries: Joi.object({
    delivered: count.description('By attempts that started in it.'),
    deadLettered: count.description('Not tried again by themselves.'),
    cancelled: count.description('Cancelled, or their endpoint was deleted.'),
  })
    .required()
    .description('Deliveries that ended in it. One that is replayed ends again.'),
});

export const statsResource = Joi.object<StatsResource>({
  bucket: Joi.string()
    .valid(...statsBuckets)
    .required()
    .description('As asked for.'),
  since: time.required(),
  until: time.required(),
  countedUntil: time
    .required()
    .description('What was recorded until then is counted: a few seconds ago, while workers run.'),
  data: Joi.array().items(statsBucketResource).required().description('Every bucket, oldest first.'),
});

import {
  attemptErrors,
  type AttemptStatus,
  attemptStatuses,
  type AttemptTrigger,
  attemptTriggers,
  type DeliveryStatus,
  deliveryStatuses,
  type WaitingFor,
  waitingForReasons,
} from '@posthorn/domain';
import { Joi } from './strict-joi.js';

import { customerId, eventType, idInput, idText, time, timeBounds } from './fields.js';
import { pageFields, type PageQuery } from './page.js';

/** Ids are uuids, `since` and `until` milliseconds: the query after validation. */
export interface ListDeliveriesQuery extends PageQuery {
  customerId?: string;
  endpointId?: string;
  eventId?: string;
  type?: string;
  status?: DeliveryStatus;
  since?: number;
  until?: number;
}

export interface DeliveryResource {
  id: string;
  eventId: string;
  endpointId: string;
  customerId: string;
  type: string;
  status: DeliveryStatus;
  waitingFor: WaitingFor | null;
  reason: string | null;
  attempts: number;
  expiresAt: string;
  nextAttemptAt: string | null;
  lastAttemptAt: string | null;
  lastResponseCode: number | null;
  lastError: string | null;
  createdAt: string;
  finishedAt: string | null;
  test: boolean;
}

export interface AttemptResponse {
  headers: Record<string, string>;
  /** The stored beginning as text; empty when it is binary. */
  body: string;
  bodyKind: 'text' | 'binary';
  bodyBytes: number;
  bodyNote: string | null;
  truncated: boolean;
}

export interface AttemptResource {
  number: number;
  trigger: AttemptTrigger;
  status: AttemptStatus;
  responseCode: number | null;
  latencyMs: number;
  error: { code: string; message: string } | null;
  /** As sent, custom header values masked; `body` is the text that was signed. */
  request: { headers: Record<string, string>; body: string };
  /** Null when no response came. */
  response: AttemptResponse | null;
  address: string | null;
  resent: boolean;
  startedAt: string;
  nextAttemptAt: string | null;
}

export const listDeliveriesQuery = Joi.object<ListDeliveriesQuery, true>({
  ...pageFields,
  customerId,
  endpointId: idInput('endpoint'),
  eventId: idInput('event'),
  type: eventType,
  status: Joi.string()
    .valid(...deliveryStatuses)
    .description('Deliveries with this status.'),
  ...timeBounds('Deliveries made'),
});

export const deliveryResource = Joi.object<DeliveryResource, true>({
  id: idText('delivery').required(),
  eventId: idText('event').required(),
  endpointId: idText('endpoint').required(),
  customerId: customerId.required(),
  type: eventType.required(),
  status: Joi.string()
    .valid(...deliveryStatuses)
    .required()
    .description(
      '`pending`: it is sent, or will be. `held`: its endpoint is paused or disabled. `dead_lettered`: it is not ' +
        'retried any more.',
    ),
  waitingFor: Joi.string()
    .valid(...waitingForReasons, null)
    .required()
    .description('Why a pending delivery is not sent now.'),
  reason: Joi.string()
    .allow(null)
    .required()
    .description(
      'Why it is held, or ended without being delivered; otherwise null. Of a dead letter: `attempts_exhausted` (all ' +
        'attempts of the retry policy failed), `expired_by_breaker` or `expired_by_rate_limit` (it expired while it waited ' +
        'for these), `expired` (it expired otherwise), `gone`.',
    ),
  attempts: Joi.number().integer().min(0).required().description('Number of attempts so far.'),
  expiresAt: time
    .required()
    .description(
      'When it expires: the delays of its retry policy and `parkedMaxSeconds` after it was opened. For a held ' +
        'delivery: the end of the hold.',
    ),
  nextAttemptAt: time.allow(null).required(),
  lastAttemptAt: time.allow(null).required(),
  lastResponseCode: Joi.number()
    .integer()
    .allow(null)
    .required()
    .description('Status of the last response; null when there was none.'),
  lastError: Joi.string().allow(null).required().description('Error of the last attempt.'),
  createdAt: time.required(),
  finishedAt: time.allow(null).required(),
  test: Joi.boolean().required().description('True for a test of an endpoint. The ledger does not count it.'),
});

export const attemptError = Joi.object({
  code: Joi.string()
    .required()
    .description(
      `Stable, one of ${Object.keys(attemptErrors)
        .map((code) => `\`${code}\``)
        .join(', ')}.`,
    ),
  message: Joi.string().allow('').required().description('For people.'),
});

const headerMap = Joi.object().pattern(Joi.string(), Joi.string().allow(''));

export const attemptResource = Joi.object<AttemptResource, true>({
  number: Joi.number().integer().min(1).required().description('Starts at 1 and continues over replays.'),
  trigger: Joi.string()
    .valid(...attemptTriggers)
    .required()
    .description('What caused it: the retry policy, a replay or a test.'),
  status: Joi.string()
    .valid(...attemptStatuses)
    .required()
    .description(
      '`refused`: the target is not allowed. `overlapped`: it ran at the same time as another attempt and does not ' +
        'count.',
    ),
  responseCode: Joi.number()
    .integer()
    .allow(null)
    .required()
    .description('Status of the response; null when there was none.'),
  latencyMs: Joi.number().integer().min(0).required().description('Duration of the whole exchange.'),
  error: attemptError.allow(null).required().description('Null when the attempt was delivered.'),
  request: Joi.object({
    headers: headerMap.required().description('Headers as sent; values of custom headers are masked.'),
    body: Joi.string().allow('').required().description('The text that was signed and sent.'),
  })
    .required()
    .description('What was sent.'),
  response: Joi.object({
    headers: headerMap.required().description('Headers as received.'),
    body: Joi.string()
      .allow('')
      .required()
      .description(
        'The first 16 KiB as text: decompressed by its `content-encoding` and decoded by its charset. Empty when it is ' +
          'binary.',
      ),
    bodyKind: Joi.string()
      .valid('text', 'binary')
      .required()
      .description('`binary`: the body is not text, or its compression is not supported.'),
    bodyBytes: Joi.number().integer().min(0).required().description('Number of stored bytes, as received.'),
    bodyNote: Joi.string()
      .allow(null)
      .required()
      .description('Note for people: how it was decompressed, or what it is if it is not text.'),
    truncated: Joi.boolean().required().description('True when the body was longer than what is stored.'),
  })
    .allow(null)
    .required()
    .description('Null when there was no response.'),
  address: Joi.string().allow(null).required().description('The resolved address of the connection.'),
  resent: Joi.boolean()
    .required()
    .description(
      'True when the request was sent twice: the endpoint had closed a kept-alive connection, so the same request was ' +
        'sent at once over a new one.',
    ),
  startedAt: time.required(),
  nextAttemptAt: time.allow(null).required(),
});

export interface TestEndpointBody {
  waitSeconds?: number;
}

export interface PendingTestResource {
  deliveryId: string;
  status: 'pending';
}

const testWaitSecondsMax = 60;

export const testEndpointBody = Joi.object<TestEndpointBody, true>({
  waitSeconds: Joi.number()
    .min(0)
    .max(testWaitSecondsMax)
    .description(
      'Longest time to wait for the attempt. Default: 5 seconds more than the timeout of an attempt.',
    ),
});

export const testedResource = attemptResource.append<AttemptResource & { deliveryId: string }>({
  deliveryId: idText('delivery').required(),
});

export const pendingTestResource = Joi.object<PendingTestResource, true>({
  deliveryId: idText('delivery').required().description('Its attempts show the result.'),
  status: Joi.string().valid('pending').required().description('It will be sent.'),
});

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

export const listDeliveriesQuery = Joi.object<ListDeliveriesQuery>({
  ...pageFields,
  customerId,
  endpointId: idInput('endpoint'),
  eventId: idInput('event'),
  type: eventType,
  status: Joi.string()
    .valid(...deliveryStatuses)
    .description('Deliveries that are in this status now.'),
  ...timeBounds('Deliveries made'),
});

export const deliveryResource = Joi.object<DeliveryResource>({
  id: idText('delivery').required(),
  eventId: idText('event').required(),
  endpointId: idText('endpoint').required(),
  customerId: customerId.required(),
  type: eventType.required(),
  status: Joi.string()
    .valid(...deliveryStatuses)
    .required()
    .description(
      '`pending`: on its way. `held`: its endpoint is paused or disabled. `dead_lettered`: not tried again by itself.',
    ),
  waitingFor: Joi.string()
    .valid(...waitingForReasons, null)
    .required()
    .description('Why a pending one is not sent now.'),
  reason: Joi.string()
    .allow(null)
    .required()
    .description(
      'Why it is held, or ended undelivered; null otherwise. A dead letter: `attempts_exhausted` (the retry policy), ' +
        '`expired_by_breaker` or `expired_by_rate_limit` (what used up its time before all attempts were made), `expired` ' +
        '(neither), `gone`.',
    ),
  attempts: Joi.number().integer().min(0).required().description('How often it was tried.'),
  expiresAt: time
    .required()
    .description(
      'When its time is over: the span of its retry policy and `parkedMaxSeconds` after it was opened; of a held one, when ' +
        'it is held no longer.',
    ),
  nextAttemptAt: time.allow(null).required(),
  lastAttemptAt: time.allow(null).required(),
  lastResponseCode: Joi.number()
    .integer()
    .allow(null)
    .required()
    .description('Status of the last answer; null when none came.'),
  lastError: Joi.string().allow(null).required().description('What the last attempt failed with.'),
  createdAt: time.required(),
  finishedAt: time.allow(null).required(),
  test: Joi.boolean().required().description('It tests its endpoint, and no ledger counts it.'),
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

export const attemptResource = Joi.object<AttemptResource>({
  number: Joi.number().integer().min(1).required().description('From 1, replays included.'),
  trigger: Joi.string()
    .valid(...attemptTriggers)
    .required()
    .description('Who made it: the retry policy, or someone who replayed or tested.'),
  status: Joi.string()
    .valid(...attemptStatuses)
    .required()
    .description(
      '`refused`: the target is not allowed. `overlapped`: it ran beside another one and does not count.',
    ),
  responseCode: Joi.number()
    .integer()
    .allow(null)
    .required()
    .description('Status of the answer; null when none came.'),
  latencyMs: Joi.number().integer().min(0).required().description('The whole exchange.'),
  error: attemptError.allow(null).required().description('Null when it was delivered.'),
  request: Joi.object({
    headers: headerMap.required().description('As sent; custom values are masked.'),
    body: Joi.string().allow('').required().description('The text that was signed and sent.'),
  })
    .required()
    .description('What was sent.'),
  response: Joi.object({
    headers: headerMap.required().description('As they came.'),
    body: Joi.string()
      .allow('')
      .required()
      .description(
        'The stored beginning (16 KiB) as text: decompressed by its `content-encoding`, read in its charset. ' +
          'Empty when it is binary.',
      ),
    bodyKind: Joi.string()
      .valid('text', 'binary')
      .required()
      .description('`binary`: it is no text, or compressed in a way that is not supported.'),
    bodyBytes: Joi.number()
      .integer()
      .min(0)
      .required()
      .description('How many bytes of it are stored, as they came.'),
    bodyNote: Joi.string()
      .allow(null)
      .required()
      .description('For people: from what it was decompressed, or what it is instead of text.'),
    truncated: Joi.boolean().required().description('True when there was more of it.'),
  })
    .allow(null)
    .required()
    .description('Null when no response came.'),
  address: Joi.string().allow(null).required().description('The resolved address that was connected to.'),
  resent: Joi.boolean()
    .required()
    .description(
      'True when the request was sent twice: the endpoint had closed the connection that was kept open, and the same request went out at once over a new one.',
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

export const testEndpointBody = Joi.object<TestEndpointBody>({
  waitSeconds: Joi.number()
    .min(0)
    .max(testWaitSecondsMax)
    .description(
      'How long to wait for the attempt at most; unless told, 5 seconds more than an attempt may take.',
    ),
});

export const testedResource = attemptResource.append<AttemptResource & { deliveryId: string }>({
  deliveryId: idText('delivery').required(),
});

export const pendingTestResource = Joi.object<PendingTestResource>({
  deliveryId: idText('delivery').required().description('Its attempts tell how it went.'),
  status: Joi.string().valid('pending').required().description('It is on its way.'),
});

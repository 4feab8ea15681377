import {
  acceptedEventResource,
  batchBody,
  batchResource,
  documentedBatchBody,
  eventInput,
  idempotencyKey,
} from './events.js';
import { noParams, noQuery } from './fields.js';
import { operation } from './operation.js';

const group = 'Ingest';

export const repeatHeaders = {
  'Idempotent-Replayed': '`true` when this is the response to an earlier request with the same key.',
};

export const eventOperations = {
  createEvent: operation({
    operationId: 'createEvent',
    method: 'post',
    path: '/v1/events',
    group,
    summary: 'Send an event',
    description:
      'The response comes after the event and its deliveries are committed. `data` is stored and sent as the exact ' +
      'bytes that were received. By default the request may have 256 KiB. If the event type has a schema in the ' +
      'catalogue, `data` must match it (422).',
    params: noParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: eventInput,
    example: { customerId: 'acme', type: 'invoice.paid', data: { invoice: 'in_1042', total: 99.5 } },
    responses: {
      202: {
        description: 'Accepted. A repeated request gets the first response.',
        schema: acceptedEventResource,
        headers: repeatHeaders,
      },
    },
    problems: [
      'invalid_request',
      'not_found',
      'idempotency_conflict',
      'payload_too_large',
      'unsupported_media_type',
      'unprocessable',
      'unavailable',
    ],
  }),
  createEvents: operation({
    operationId: 'createEvents',
    method: 'post',
    path: '/v1/events/batch',
    group,
    summary: 'Send up to 1,000 events',
    description:
      'Events are checked and committed independently; the results have the same order. With an `Idempotency-Key` each ' +
      'event of the list has its own key, made of the header and the event’s index. The request may have 5 MiB, and ' +
      'each `data` as much as a single event.',
    params: noParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: batchBody,
    documentedBody: documentedBatchBody,
    example: {
      events: [
        { customerId: 'acme', type: 'invoice.paid', data: { invoice: 'in_1042' } },
        { customerId: 'acme', type: 'invoice.voided', data: { invoice: 'in_1043' }, externalId: 'void-1043' },
      ],
    },
    responses: { 202: { description: 'A result for each event.', schema: batchResource } },
    problems: ['invalid_request', 'payload_too_large', 'unsupported_media_type', 'unavailable'],
  }),
} as const;

/** Names of the header that marks a repeated answer and of the one that asks for it, in lower case. */
export const idempotencyHeaders = { key: 'idempotency-key', replayed: 'Idempotent-Replayed' } as const;

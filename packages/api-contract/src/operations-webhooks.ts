import { rotatedSecretResource, rotateSecretBody } from './endpoints.js';
import { idempotencyKey } from './events.js';
import { noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { customerParams } from './operations-customers.js';
import { repeatHeaders } from './operations-events.js';
import {
  acceptedWebhookResource,
  deliverWebhookBody,
  oneShotSecretResource,
  webhookParams,
  webhookStatusResource,
} from './webhooks.js';

const group = 'One-shots';

export const webhookOperations = {
  deliverWebhook: operation({
    operationId: 'deliverWebhook',
    method: 'post',
    path: '/v1/webhooks/deliver',
    aliases: ['/api/v1/webhooks/deliver'],
    group,
    summary: 'Send a payload to a URL',
    description:
      'One delivery, without an endpoint. The response comes after it is committed. From then on it is a delivery like ' +
      'any other, with retries, history, replay and the customer’s limits. The payload is sent without an envelope, as ' +
      'the exact bytes that were received, signed (`standard`) with the customer’s one-shot secret. By default the ' +
      'request may have 256 KiB.',
    params: noParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: deliverWebhookBody,
    example: {
      customerId: 'acme',
      url: 'https://example.com/callbacks/42',
      payload: { job: 42, state: 'done' },
      retryPolicy: { maxAttempts: 3 },
    },
    responses: {
      202: {
        description: 'Accepted. A repeated request gets the first response.',
        schema: acceptedWebhookResource,
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
  getWebhookStatus: operation({
    operationId: 'getWebhookStatus',
    method: 'get',
    path: '/v1/webhooks/{id}/status',
    aliases: ['/api/v1/webhooks/{id}/status'],
    group,
    summary: 'Read the status of a one-shot',
    description:
      'For one-shots only. With the same id `/v1/deliveries/{deliveryId}` shows its attempts, and replays or cancels ' +
      'it.',
    params: webhookParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'Its current status.', schema: webhookStatusResource } },
    problems: ['not_found'],
  }),
  getOneShotSecret: operation({
    operationId: 'getOneShotSecret',
    method: 'get',
    path: '/v1/customers/{customerId}/one-shot-secret',
    group,
    summary: 'List the one-shot secrets',
    description: 'The secrets that sign now. During the overlap of a rotation there are several.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: {
      200: {
        description: 'Secrets without values. Empty before the first one-shot.',
        schema: oneShotSecretResource,
      },
    },
    problems: ['not_found'],
  }),
  rotateOneShotSecret: operation({
    operationId: 'rotateOneShotSecret',
    method: 'post',
    path: '/v1/customers/{customerId}/one-shot-secret/rotate',
    group,
    summary: 'Rotate the one-shot secret',
    description:
      'Only this response shows the new secret. The first one-shot of a customer creates a secret that is not shown. ' +
      'Use this operation, before or after it, to get the secret that receivers verify with.',
    params: customerParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: rotateSecretBody,
    bodyOptional: true,
    example: { overlapSeconds: 3600 },
    responses: {
      200: {
        description: 'The new secret. A repeated request gets the first response.',
        schema: rotatedSecretResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'not_found', 'conflict', 'idempotency_conflict'],
  }),
} as const;

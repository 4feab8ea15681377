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
      'One delivery, no endpoint needed. Answered after it is committed; from there on it is a delivery like any other, with ' +
      'retries, history, replay and the customer’s limits. The payload is sent bare, as the exact bytes that were received, ' +
      'signed (`standard`) with the customer’s one-shot secret. The request may have 256 KiB by default.',
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
        description: 'Accepted, or the first answer to a repeat.',
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
    summary: 'What became of it',
    description:
      'Of one-shots only. Under the same id `/v1/deliveries/{deliveryId}` has its attempts, and replays or cancels it.',
    params: webhookParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'Its state now.', schema: webhookStatusResource } },
    problems: ['not_found'],
  }),
  getOneShotSecret: operation({
    operationId: 'getOneShotSecret',
    method: 'get',
    path: '/v1/customers/{customerId}/one-shot-secret',
    group,
    summary: 'Which one-shot secrets sign',
    description: 'During a rotation’s overlap there are several.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: {
      200: { description: 'Without values. Empty before the first one-shot.', schema: oneShotSecretResource },
    },
    problems: ['not_found'],
  }),
  rotateOneShotSecret: operation({
    operationId: 'rotateOneShotSecret',
    method: 'post',
    path: '/v1/customers/{customerId}/one-shot-secret/rotate',
    group,
    summary: 'Make a new one-shot secret',
    description:
      'The answer shows it, this once. One is made unseen with a customer’s first one-shot, so ask here, before or after, ' +
      'for the one that receivers verify with.',
    params: customerParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: rotateSecretBody,
    bodyOptional: true,
    example: { overlapSeconds: 3600 },
    responses: {
      200: {
        description: 'The new secret, or the first answer to a repeat.',
        schema: rotatedSecretResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'not_found', 'conflict', 'idempotency_conflict'],
  }),
} as const;

import { Joi } from './strict-joi.js';

import { pendingTestResource, testedResource, testEndpointBody } from './deliveries.js';
import { resumeEndpointBody } from './delivery-changes.js';
import {
  createdEndpointResource,
  createEndpointBody,
  endpointResource,
  patchEndpointBody,
  rotatedSecretResource,
  rotateSecretBody,
} from './endpoints.js';
import { idempotencyKey } from './events.js';
import { idInput, noQuery } from './fields.js';
import { operation } from './operation.js';
import { repeatHeaders } from './operations-events.js';
import { customerParams } from './operations-customers.js';
import { pageOf, pageQuery } from './page.js';

const group = 'Endpoints';

/** The id is a uuid after validation. */
const endpointParams = Joi.object<{ endpointId: string }>({ endpointId: idInput('endpoint').required() });

export const endpointOperations = {
  createEndpoint: operation({
    operationId: 'createEndpoint',
    method: 'post',
    path: '/v1/customers/{customerId}/endpoints',
    group,
    summary: 'Create an endpoint',
    description: 'Only this response shows the signing secret.',
    params: customerParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: createEndpointBody,
    example: {
      url: 'https://example.com/webhooks',
      eventTypes: ['invoice.*'],
      retryPolicy: { preset: 'patient' },
    },
    responses: {
      201: {
        description: 'The endpoint with its secret. A repeated request gets the first response.',
        schema: createdEndpointResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'not_found', 'conflict', 'idempotency_conflict', 'unprocessable'],
  }),
  listEndpoints: operation({
    operationId: 'listEndpoints',
    method: 'get',
    path: '/v1/customers/{customerId}/endpoints',
    group,
    summary: 'List a customer’s endpoints',
    description: 'Deleted endpoints are not listed.',
    params: customerParams,
    query: pageQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(endpointResource) } },
    problems: ['invalid_request', 'not_found'],
  }),
  getEndpoint: operation({
    operationId: 'getEndpoint',
    method: 'get',
    path: '/v1/endpoints/{endpointId}',
    group,
    summary: 'Read an endpoint',
    description:
      'With its status, breaker and health. Secrets are listed without values, custom headers with masked values.',
    params: endpointParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The endpoint.', schema: endpointResource } },
    problems: ['not_found'],
  }),
  patchEndpoint: operation({
    operationId: 'patchEndpoint',
    method: 'patch',
    path: '/v1/endpoints/{endpointId}',
    group,
    summary: 'Change an endpoint',
    description:
      'A merge patch (RFC 7396): members that are left out stay as they are, null restores the default, nested objects ' +
      'are merged. It also applies to deliveries that are waiting.',
    params: endpointParams,
    query: noQuery,
    body: patchEndpointBody,
    bodyTypes: ['application/merge-patch+json', 'application/json'],
    example: { eventTypes: ['*'], headers: { 'X-Team': 'billing', 'X-Old': null } },
    responses: { 200: { description: 'The endpoint after the change.', schema: endpointResource } },
    problems: ['invalid_request', 'not_found', 'unprocessable'],
  }),
  deleteEndpoint: operation({
    operationId: 'deleteEndpoint',
    method: 'delete',
    path: '/v1/endpoints/{endpointId}',
    group,
    summary: 'Delete an endpoint',
    description: 'Unfinished deliveries are cancelled. The history stays.',
    params: endpointParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'Deleted.' } },
    problems: ['not_found'],
  }),
  pauseEndpoint: operation({
    operationId: 'pauseEndpoint',
    method: 'post',
    path: '/v1/endpoints/{endpointId}/pause',
    group,
    summary: 'Pause an endpoint',
    description:
      'From now on its deliveries are held, also those that are pending: up to 100,000, the others are cancelled. A ' +
      'disabled endpoint is refused.',
    params: endpointParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The endpoint after the change.', schema: endpointResource } },
    problems: ['not_found', 'conflict'],
  }),
  resumeEndpoint: operation({
    operationId: 'resumeEndpoint',
    method: 'post',
    path: '/v1/endpoints/{endpointId}/resume',
    group,
    summary: 'Resume a paused endpoint',
    description:
      'Held deliveries are released or cancelled: some thousands before the response, the rest soon after. A disabled ' +
      'endpoint is refused: enable it instead.',
    params: endpointParams,
    query: noQuery,
    body: resumeEndpointBody,
    bodyOptional: true,
    example: { held: 'release' },
    responses: { 200: { description: 'The endpoint after the change.', schema: endpointResource } },
    problems: ['invalid_request', 'not_found', 'conflict'],
  }),
  enableEndpoint: operation({
    operationId: 'enableEndpoint',
    method: 'post',
    path: '/v1/endpoints/{endpointId}/enable',
    group,
    summary: 'Enable a disabled endpoint',
    description:
      'Held deliveries are released or cancelled, as with resume. A paused endpoint is refused: resume it instead.',
    params: endpointParams,
    query: noQuery,
    body: resumeEndpointBody,
    bodyOptional: true,
    example: { held: 'cancel' },
    responses: { 200: { description: 'The endpoint after the change.', schema: endpointResource } },
    problems: ['invalid_request', 'not_found', 'conflict'],
  }),
  testEndpoint: operation({
    operationId: 'testEndpoint',
    method: 'post',
    path: '/v1/endpoints/{endpointId}/test',
    group,
    summary: 'Send a test to an endpoint',
    description:
      'Sends an event of the type `posthorn.test` once, also if the endpoint does not take this type, is paused or is ' +
      'disabled. The event uses the same queue, limits and signing as other events. It is in the history, but not in ' +
      'the ledger or in statistics, and a failure does not affect the endpoint’s health.',
    params: endpointParams,
    query: noQuery,
    body: testEndpointBody,
    bodyOptional: true,
    example: { waitSeconds: 10 },
    responses: {
      200: { description: 'The attempt, whether it was delivered or failed.', schema: testedResource },
      202: {
        description:
          'The test was not sent in that time: other deliveries are before it, or the endpoint’s breaker or rate limit ' +
          'delays it. It is still sent later.',
        schema: pendingTestResource,
      },
    },
    problems: ['invalid_request', 'not_found', 'conflict'],
  }),
  rotateSecret: operation({
    operationId: 'rotateSecret',
    method: 'post',
    path: '/v1/endpoints/{endpointId}/secret/rotate',
    group,
    summary: 'Rotate the signing secret',
    description:
      'The previous secret also signs during the overlap, a day by default. To end an overlap early, rotate to the ' +
      'current secret with `overlapSeconds` 0.',
    params: endpointParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: rotateSecretBody,
    bodyOptional: true,
    example: { overlapSeconds: 3600 },
    responses: {
      200: {
        description:
          'The new secret, shown only in this response. A repeated request gets the first response.',
        schema: rotatedSecretResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'not_found', 'conflict', 'idempotency_conflict'],
  }),
} as const;

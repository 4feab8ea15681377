import { Joi } from './strict-joi.js';

import { apiKeyResource, createApiKeyBody, createdApiKeyResource, patchApiKeyBody } from './api-keys.js';
import { auditEntryResource, listAuditEntriesQuery } from './audit-log.js';
import { idempotencyKey } from './events.js';
import { idInput, noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { repeatHeaders } from './operations-events.js';
import { pageOf, pageQuery } from './page.js';

const group = 'API keys';
const apiKeyParams = Joi.object<{ apiKeyId: string }>({ apiKeyId: idInput('apiKey').required() });

export const accessOperations = {
  createApiKey: operation({
    operationId: 'createApiKey',
    method: 'post',
    path: '/v1/api-keys',
    group,
    summary: 'Create an API key',
    description:
      'Only this response shows the key. The scope `admin` allows everything, including the other scopes.',
    params: noParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: createApiKeyBody,
    example: { name: 'billing backend', scopes: ['events:write'] },
    responses: {
      201: {
        description: 'The key. A repeated request gets the first response.',
        schema: createdApiKeyResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'idempotency_conflict', 'unprocessable'],
  }),
  listApiKeys: operation({
    operationId: 'listApiKeys',
    method: 'get',
    path: '/v1/api-keys',
    group,
    summary: 'List API keys',
    description: 'Revoked keys are not listed.',
    params: noParams,
    query: pageQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(apiKeyResource) } },
    problems: ['invalid_request'],
  }),
  patchApiKey: operation({
    operationId: 'patchApiKey',
    method: 'patch',
    path: '/v1/api-keys/{apiKeyId}',
    group,
    summary: 'Change the name or the rate limit of an API key',
    description:
      'A merge patch (RFC 7396). Every process applies it within a second, or within ten at worst. Scopes cannot be ' +
      'changed: create another key.',
    params: apiKeyParams,
    query: noQuery,
    body: patchApiKeyBody,
    bodyTypes: ['application/merge-patch+json', 'application/json'],
    example: { rateLimit: { max: 10, perSeconds: 1 } },
    responses: { 200: { description: 'The key after the change.', schema: apiKeyResource } },
    problems: ['invalid_request', 'not_found', 'unprocessable'],
  }),
  revokeApiKey: operation({
    operationId: 'revokeApiKey',
    method: 'delete',
    path: '/v1/api-keys/{apiKeyId}',
    group,
    summary: 'Revoke an API key',
    description: 'Every process refuses the key within a second, or within ten at worst.',
    params: apiKeyParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'Revoked.' } },
    problems: ['not_found'],
  }),
  listAuditEntries: operation({
    operationId: 'listAuditEntries',
    method: 'get',
    path: '/v1/audit-log',
    group,
    summary: 'Read the audit log',
    description:
      'Every change that was made over the API: who made it, what, when and from where. Values are not stored, and ' +
      'sending events is not a change. Entries about a customer are removed when it is erased, except the entry of the ' +
      'erasure.',
    params: noParams,
    query: listAuditEntriesQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(auditEntryResource) } },
    problems: ['invalid_request'],
  }),
} as const;

import { type ApiKeyResource, idPrefixes, operations, patchApiKeySettings } from '@posthorn/api-contract';
import type { ApiKey, ApiKeyStore, IdempotentAnswerStore } from '@posthorn/database';
import { encodeId } from '@posthorn/domain';
import { AppError, mountOperation, notFound } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { respondIdempotently } from './respond-idempotently.js';
import { idCursor, pageResource, readCursor } from './cursor.js';

export interface ApiKeysDeps {
  authentication: RequestHandler;
  apiKeys: ApiKeyStore;
  answers: IdempotentAnswerStore;
}

const cursorForm = idCursor('api-keys');

export function mountApiKeys(router: Router, { authentication, apiKeys, answers }: ApiKeysDeps): void {
  mountOperation(router, operations.createApiKey, authentication, async (request) => {
    const { name = null, scopes, customerId = null, rateLimit = null } = request.body;
    return respondIdempotently(answers, operations.createApiKey, request, customerId, async (tx) => {
      const outcome = await apiKeys.create({ name, scopes, customerId, rateLimit }, tx);
      if (outcome.kind === 'unknown_customer') {
        throw new AppError({
          code: 'unprocessable',
          detail:
            'The customer of the key does not exist; create it first with PUT /v1/customers/{customerId}.',
          errors: [{ path: 'customerId', message: '"customerId" must be an existing customer' }],
        });
      }
      return { status: 201, body: { ...apiKeyResource(outcome.apiKey), key: outcome.key } };
    });
  });

  mountOperation(router, operations.listApiKeys, authentication, async ({ query }) => {
    const before = readCursor(cursorForm, query.cursor);
    const page = await apiKeys.list({ limit: query.limit, before });
    return { status: 200, body: pageResource(cursorForm, page, apiKeyResource) };
  });

  mountOperation(router, operations.patchApiKey, authentication, async ({ params, body }) => {
    const apiKey = await apiKeys.patch(params.apiKeyId, (current) => {
      const patched = patchApiKeySettings(current, body);
      if (patched.ok) return patched.value;
      throw new AppError({
        code: 'unprocessable',
        detail: 'After this patch the settings of the key would not be valid.',
        errors: patched.errors,
      });
    });
    if (!apiKey) throw notFound();
    return { status: 200, body: apiKeyResource(apiKey) };
  });

  mountOperation(router, operations.revokeApiKey, authentication, async ({ params }) => {
    const revoked = await apiKeys.revoke(params.apiKeyId);
    if (!revoked) throw notFound();
    return { status: 204, ...(revoked.customerId !== null && { customerId: revoked.customerId }) };
  });
}

function apiKeyResource({
  id,
  name,
  scopes,
  customerId,
  rateLimit,
  hint,
  createdAt,
  lastUsedAt,
}: ApiKey): ApiKeyResource {
  return {
    id: encodeId(idPrefixes.apiKey, id),
    name,
    scopes,
    customerId,
    rateLimit,
    hint,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  };
}

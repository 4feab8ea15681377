import { operations } from '@posthorn/api-contract';
import type { CustomerStore, IdempotentAnswerStore, OneShotSecrets } from '@posthorn/database';
import { mountOperation, notFound } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { respondIdempotently } from './respond-idempotently.js';
import { findCustomer } from './customers.js';
import { requireSigningSecret, rotatedSecretResource, tooManySecrets } from './secret-rotation.js';

export interface OneShotSecretDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  oneShotSecrets: OneShotSecrets;
  answers: IdempotentAnswerStore;
}

export function mountOneShotSecret(
  router: Router,
  { authentication, customers, oneShotSecrets, answers }: OneShotSecretDeps,
): void {
  mountOperation(router, operations.getOneShotSecret, authentication, async ({ params, caller }) => {
    const { id } = await findCustomer(customers, caller, params.customerId);
    const secrets = await oneShotSecrets.list(id);
    return {
      status: 200,
      body: {
        secrets: secrets.map(({ createdAt, expiresAt }) => ({
          createdAt: createdAt.toISOString(),
          expiresAt: expiresAt?.toISOString() ?? null,
        })),
      },
    };
  });

  mountOperation(router, operations.rotateOneShotSecret, authentication, async (request) => {
    const { params, body, caller } = request;
    const { id } = await findCustomer(customers, caller, params.customerId);
    if (body.secret !== undefined) requireSigningSecret(body.secret);
    return respondIdempotently(answers, operations.rotateOneShotSecret, request, id, async (tx) => {
      const outcome = await oneShotSecrets.rotate(id, body, tx);
      switch (outcome.kind) {
        case 'rotated':
          return { status: 200, body: rotatedSecretResource(outcome) };
        case 'unknown_customer':
          throw notFound();
        case 'too_many_secrets':
          throw tooManySecrets('customer');
      }
    });
  });
}

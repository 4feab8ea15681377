import { operations, patchEndpointSettings, type PatchEndpointBody } from '@posthorn/api-contract';
import type {
  CustomerStore,
  Database,
  EndpointSettings,
  EndpointStore,
  IdempotentAnswerStore,
} from '@posthorn/database';
import {
  AppError,
  type Caller,
  type CheckTargetUrl,
  mountOperation,
  notFound,
  requireCustomer,
  requireTarget,
} from '@posthorn/http';
import { deleteEndpoint } from '@posthorn/delivery/cancel';
import type { RequestHandler, Router } from 'express';
import { respondIdempotently } from './respond-idempotently.js';
import { idCursor, pageResource, readCursor } from './cursor.js';
import { findCustomer } from './customers.js';
import { endpointResource } from './endpoint-resource.js';
import { findEndpoint } from './find-endpoint.js';
import { noEndpointLimits, refuseRaisedLimits } from './portal-limits.js';
import { requireSigningSecret, rotatedSecretResource, tooManySecrets } from './secret-rotation.js';

export interface EndpointsDeps {
  authentication: RequestHandler;
  pool: Database['pool'];
  customers: CustomerStore;
  endpoints: EndpointStore;
  answers: IdempotentAnswerStore;
  checkTargetUrl: CheckTargetUrl;
  /** What an endpoint without a limit of its own may have in flight. */
  endpointInFlightMax: number;
}

const cursorForm = idCursor('endpoints');

export function mountEndpoints(router: Router, deps: EndpointsDeps): void {
  const { authentication, pool, customers, endpoints, answers, checkTargetUrl } = deps;
  const limitsByDefault = { maxInFlight: deps.endpointInFlightMax };

  mountOperation(router, operations.createEndpoint, authentication, async (request) => {
    const { params, body, caller } = request;
    requireCustomer(caller, params.customerId);
    refuseRaisedLimits(caller, noEndpointLimits, body, limitsByDefault);
    requireTarget(checkTargetUrl, body.url, 'url', caller);
    return respondIdempotently(answers, operations.createEndpoint, request, params.customerId, async (tx) => {
      const outcome = await endpoints.create(params.customerId, body, tx);
      switch (outcome.kind) {
        case 'created':
          return { status: 201, body: { ...endpointResource(outcome.endpoint), secret: outcome.secret } };
        case 'unknown_customer':
          throw notFound();
        case 'limit_reached':
          throw new AppError({
            code: 'conflict',
            detail: `The customer may have at most ${outcome.maxEndpoints} endpoints. Delete one, or ask the operator to raise its limits.maxEndpoints.`,
          });
      }
    });
  });

  mountOperation(router, operations.listEndpoints, authentication, async ({ params, query, caller }) => {
    const before = readCursor(cursorForm, query.cursor);
    const { id } = await findCustomer(customers, caller, params.customerId);
    const page = await endpoints.list({ customerId: id, limit: query.limit, before });
    return { status: 200, body: pageResource(cursorForm, page, endpointResource) };
  });

  mountOperation(router, operations.getEndpoint, authentication, async ({ params, caller }) => ({
    status: 200,
    body: endpointResource(await findEndpoint(endpoints, caller, params.endpointId)),
  }));

  mountOperation(router, operations.patchEndpoint, authentication, async ({ params, body, caller }) => {
    const { id } = await findEndpoint(endpoints, caller, params.endpointId);
    const endpoint = await endpoints.patch(id, (current) => {
      const next = patched(current, body, checkTargetUrl, caller);
      refuseRaisedLimits(caller, current, next, limitsByDefault);
      return next;
    });
    if (!endpoint) throw notFound();
    return { status: 200, body: endpointResource(endpoint) };
  });

  mountOperation(router, operations.deleteEndpoint, authentication, async ({ params, caller }) => {
    const { id, customerId } = await findEndpoint(endpoints, caller, params.endpointId);
    if (!(await deleteEndpoint(pool, id))) throw notFound();
    return { status: 204, customerId };
  });

  mountOperation(router, operations.rotateSecret, authentication, async (request) => {
    const { params, body, caller } = request;
    const { id, customerId } = await findEndpoint(endpoints, caller, params.endpointId);
    if (body.secret !== undefined) requireSigningSecret(body.secret);
    return respondIdempotently(answers, operations.rotateSecret, request, customerId, async (tx) => {
      const outcome = await endpoints.rotateSecret(id, body, tx);
      switch (outcome.kind) {
        case 'rotated':
          return { status: 200, body: rotatedSecretResource(outcome), customerId };
        case 'unknown_endpoint':
          throw notFound();
        case 'too_many_secrets':
          throw tooManySecrets('endpoint');
      }
    });
  });
}

function patched(
  current: EndpointSettings,
  patch: PatchEndpointBody,
  checkTargetUrl: CheckTargetUrl,
  caller: Caller,
): EndpointSettings {
  const merged = patchEndpointSettings(current, patch);
  if (!merged.ok) {
    throw new AppError({
      code: 'unprocessable',
      detail: 'After this patch the settings of the endpoint would not be valid.',
      errors: merged.errors,
    });
  }
  if (merged.value.url !== current.url) requireTarget(checkTargetUrl, merged.value.url, 'url', caller);
  return merged.value;
}

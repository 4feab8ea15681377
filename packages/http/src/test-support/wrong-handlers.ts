import { operations } from '@posthorn/api-contract';
import type { RequestHandler, Router } from 'express';

import { mountOperation } from '../mount-operation.js';

/**
 * Handlers that must not compile, each behind a comment that expects its error; `handler-types.test.ts` checks them.
 *
 * @public Nothing imports it.
 */
export function mountWrongHandlers(router: Router, authentication: RequestHandler): void {
  mountOperation(router, operations.getLedger, authentication, async () => ({
    status: 200,
    body: {
      accepted: 1,
      delivered: 1,
      pending: 0,
      held: 0,
      deadLettered: 0,
      cancelled: 0,
      unmatchedEvents: 0,
    },
  }));

  // @ts-expect-error The resource of another operation.
  mountOperation(router, operations.getLedger, authentication, async () => ({
    status: 200,
    body: { data: [], nextCursor: null },
  }));

  // @ts-expect-error A member of the resource is missing.
  mountOperation(router, operations.getLedger, authentication, async () => ({
    status: 200,
    body: { accepted: 1, delivered: 1, pending: 0, held: 0, deadLettered: 0, cancelled: 0 },
  }));

  // @ts-expect-error A status that is not declared.
  mountOperation(router, operations.deleteEndpoint, authentication, async () => ({ status: 200 }));

  // @ts-expect-error The declared status has a body.
  mountOperation(router, operations.getLedger, authentication, async () => ({ status: 200 }));

  mountOperation(router, operations.deleteEndpoint, authentication, async ({ params, query, body }) => {
    // @ts-expect-error A parameter that is not declared: the path has `endpointId`.
    use(params.customerId);
    // @ts-expect-error A query parameter that is not declared.
    use(query.limit);
    // @ts-expect-error The operation has no body.
    use(body.url);
    use(params.endpointId);
    return { status: 204 };
  });

  mountOperation(router, operations.createEndpoint, authentication, async ({ body }) => {
    // @ts-expect-error A member that the schema of the body does not have.
    use(body.uri);
    throw new Error(body.url);
  });
}

function use(_value: unknown): void {
  // Reading the value is all that is tried.
}

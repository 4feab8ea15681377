import { operations, type EndpointResource } from '@posthorn/api-contract';
import type { Database, EndpointStore } from '@posthorn/database';
import { AppError, type Caller, mountOperation, notFound } from '@posthorn/http';
import { type EndpointStatusOutcome, pauseEndpoint, resumeEndpoint } from '@posthorn/delivery/hold';
import type { ReplayDeps } from '@posthorn/delivery/replay';
import type { RequestHandler, Router } from 'express';
import { endpointResource } from './endpoint-resource.js';
import { findEndpoint } from './find-endpoint.js';

export interface EndpointStatusDeps extends Omit<ReplayDeps, 'pool'> {
  authentication: RequestHandler;
  pool: Database['pool'];
  endpoints: EndpointStore;
}

export function mountEndpointStatus(router: Router, deps: EndpointStatusDeps): void {
  const { authentication } = deps;

  mountOperation(router, operations.pauseEndpoint, authentication, async ({ params, caller }) => ({
    status: 200,
    body: await change(deps, caller, params.endpointId, (id) => pauseEndpoint(deps, id)),
  }));

  mountOperation(router, operations.resumeEndpoint, authentication, async ({ params, body, caller }) => ({
    status: 200,
    body: await change(deps, caller, params.endpointId, (id) =>
      resumeEndpoint(deps, id, { from: 'paused', held: body.held }),
    ),
  }));

  mountOperation(router, operations.enableEndpoint, authentication, async ({ params, body, caller }) => ({
    status: 200,
    body: await change(deps, caller, params.endpointId, (id) =>
      resumeEndpoint(deps, id, { from: 'disabled', held: body.held }),
    ),
  }));
}

async function change(
  { endpoints }: EndpointStatusDeps,
  caller: Caller,
  endpointId: string,
  run: (id: string) => Promise<EndpointStatusOutcome>,
): Promise<EndpointResource> {
  const { id } = await findEndpoint(endpoints, caller, endpointId);
  const outcome = await run(id);
  switch (outcome.kind) {
    case 'done':
      return endpointResource(await findEndpoint(endpoints, caller, id));
    case 'refused':
      throw new AppError({ code: 'conflict', detail: `The endpoint is ${outcome.status}.` });
    case 'not_found':
      throw notFound();
  }
}

import { operations } from '@posthorn/api-contract';
import type { EndpointStore } from '@posthorn/database';
import { verifyRequest } from '@posthorn/domain';
import { mountOperation, notFound } from '@posthorn/http';
import type { Clock } from '@posthorn/runtime';
import type { RequestHandler, Router } from 'express';
import { findEndpoint } from './find-endpoint.js';

export interface SignaturesDeps {
  authentication: RequestHandler;
  endpoints: EndpointStore;
  clock: Clock;
}

export function mountSignatures(router: Router, { authentication, endpoints, clock }: SignaturesDeps): void {
  mountOperation(router, operations.verifySignature, authentication, async ({ body: asked, caller }) => {
    const { id } = await findEndpoint(endpoints, caller, asked.endpointId);
    const found = (await endpoints.readForDelivery([id])).get(id);
    if (!found) throw notFound();
    if (found.kind === 'unreadable') throw new Error('The endpoint cannot be read', { cause: found.error });
    const { signing, secrets } = found.endpoint;
    const { headers, body } = asked;
    const verification = verifyRequest(signing, {
      headers,
      body,
      secrets: secrets.map(({ value }) => value),
      nowMs: clock.nowMs(),
    });
    return { status: 200 as const, body: verification, unchanged: true };
  });
}

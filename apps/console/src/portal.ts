import { idPrefixes, operations, type PortalLinkResource } from '@posthorn/api-contract';
import type { CustomerStore, IdempotentAnswerStore, PortalLinkStore } from '@posthorn/database';
import { encodeId, parseUrl } from '@posthorn/domain';
import {
  AppError,
  type Caller,
  mountOpenOperation,
  mountOperation,
  notFound,
  requireCustomer,
  unauthorized,
} from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { respondIdempotently } from './respond-idempotently.js';
import { findCustomer } from './customers.js';

export interface PortalSettings {
  /** What links start with, without a slash at its end; null: where the request for the link was sent to. */
  publicUrl: string | null;
  sessionSeconds: number;
}

export interface PortalDeps {
  authentication: RequestHandler;
  /** In front of the exchange of a link for a session. */
  admission: RequestHandler;
  customers: CustomerStore;
  portalLinks: PortalLinkStore;
  answers: IdempotentAnswerStore;
  settings: PortalSettings;
}

export function mountPortal(
  router: Router,
  { authentication, admission, customers, portalLinks, answers, settings }: PortalDeps,
): void {
  mountOperation(router, operations.createPortalLink, authentication, async (request) => {
    const { params, body, caller } = request;
    requireCustomer(caller, params.customerId);
    const base = settings.publicUrl ?? checkedOrigin(request.origin);
    return respondIdempotently(
      answers,
      operations.createPortalLink,
      request,
      params.customerId,
      async (tx) => {
        const link = await portalLinks.create(tx, { customerId: params.customerId, ...body });
        if (link.kind === 'unknown_customer') throw notFound();
        const resource: PortalLinkResource = {
          id: encodeId(idPrefixes.portalLink, link.id),
          url: `${base}/portal#token=${link.token}`,
          expiresAt: link.expiresAt.toISOString(),
        };
        return { status: 201, body: resource };
      },
    );
  });

  mountOperation(router, operations.revokePortalLinks, authentication, async ({ params, caller }) => {
    const { id } = await findCustomer(customers, caller, params.customerId);
    const revoked = await portalLinks.revoke(id);
    return { status: 204, unchanged: revoked === 0 };
  });

  mountOpenOperation(router, operations.openPortalSession, admission, async ({ body }) => {
    const session = await portalLinks.open(body.token, settings);
    if (!session) throw unauthorized('The portal link is unknown, was already used or has expired.');
    const { token, ...caller } = session;
    return {
      status: 201,
      body: { token, ...sessionResource(session) },
      caller: { kind: 'portal', ...caller },
    };
  });

  mountOperation(router, operations.getPortalSession, authentication, ({ caller }) =>
    Promise.resolve({ status: 200, body: sessionResource(sessionOf(caller)) }),
  );

  mountOperation(router, operations.endPortalSession, authentication, async ({ caller }) => {
    const { id } = sessionOf(caller);
    await portalLinks.end(id);
    return { status: 204, target: { portalLinkId: encodeId(idPrefixes.portalLink, id) } };
  });
}

function sessionResource({ customerId, expiresAt }: { customerId: string; expiresAt: Date }) {
  return { customerId, expiresAt: expiresAt.toISOString() };
}

/** The permission table lets nobody else in. */
function sessionOf(caller: Caller): Extract<Caller, { kind: 'portal' }> {
  if (caller.kind !== 'portal') throw new Error(`A ${caller.kind} asks for its portal session`);
  return caller;
}

/** The Host header is whatever its sender writes, in any case. */
function checkedOrigin(origin: string): string {
  const url = parseUrl(origin);
  if (url?.href === `${url?.origin}/`) return url.origin;
  throw new AppError({
    code: 'invalid_request',
    detail:
      'The Host header is not the address of a server, such as hooks.example.com:8080. ' +
      'An operator can set POSTHORN_PUBLIC_URL, and links are made without it.',
  });
}

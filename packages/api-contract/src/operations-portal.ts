import { idempotencyKey } from './events.js';
import { noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { customerParams } from './operations-customers.js';
import { repeatHeaders } from './operations-events.js';
import {
  createPortalLinkBody,
  openedPortalSessionResource,
  openPortalSessionBody,
  portalLinkResource,
  portalSessionResource,
} from './portal.js';

const group = 'Portal';

export const portalOperations = {
  createPortalLink: operation({
    operationId: 'createPortalLink',
    method: 'post',
    path: '/v1/customers/{customerId}/portal-links',
    group,
    summary: 'Create a portal link',
    description:
      'For a person of the customer: hand the link over, do not store it. It opens the portal once, and only until it ' +
      'expires. The URL starts with `POSTHORN_PUBLIC_URL`. If that is not set, it starts with the address that this ' +
      'request was sent to.',
    params: customerParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: createPortalLinkBody,
    bodyOptional: true,
    example: { expiresInSeconds: 900 },
    responses: {
      201: {
        description: 'The link. A repeated request gets the first response.',
        schema: portalLinkResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'not_found', 'idempotency_conflict'],
  }),
  revokePortalLinks: operation({
    operationId: 'revokePortalLinks',
    method: 'delete',
    path: '/v1/customers/{customerId}/portal-links',
    group,
    summary: 'Revoke a customer’s portal links',
    description: 'Unopened links, and the sessions of opened links, end at once.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'No link is left.' } },
    problems: ['not_found'],
  }),
  openPortalSession: operation({
    operationId: 'openPortalSession',
    method: 'post',
    path: '/v1/portal/session',
    group,
    summary: 'Open a portal session with a link',
    description:
      'The token of the link is the only credential. It is valid once: if several requests use it, only one gets the ' +
      'session. Send the token of the session as `Authorization: Bearer phs_…`. The session lasts for ' +
      '`POSTHORN_PORTAL_SESSION_SECONDS`.',
    params: noParams,
    query: noQuery,
    body: openPortalSessionBody,
    example: { token: `phl_${'0'.repeat(43)}` },
    responses: { 201: { description: 'The session.', schema: openedPortalSessionResource } },
    problems: ['invalid_request', 'unauthorized', 'rate_limited', 'internal_error', 'unavailable'],
  }),
  getPortalSession: operation({
    operationId: 'getPortalSession',
    method: 'get',
    path: '/v1/portal/session',
    group,
    summary: 'Read the portal session',
    description: 'Its customer, and when it expires.',
    params: noParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The session of this request.', schema: portalSessionResource } },
    problems: [],
  }),
  endPortalSession: operation({
    operationId: 'endPortalSession',
    method: 'delete',
    path: '/v1/portal/session',
    group,
    summary: 'End the portal session',
    description: 'For signing out. Other sessions of the customer stay open.',
    params: noParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'The token is no longer valid.' } },
    problems: [],
  }),
} as const;

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
    summary: 'Make a link into the portal',
    description:
      'For one of the customer’s people: hand it over, do not keep it. It opens the portal once, and only until it expires. ' +
      'The URL starts with `POSTHORN_PUBLIC_URL`, or else with where this request was sent to.',
    params: customerParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: createPortalLinkBody,
    bodyOptional: true,
    example: { expiresInSeconds: 900 },
    responses: {
      201: {
        description: 'The link, or the first answer to a repeat.',
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
    description: 'Links that nobody opened yet, and the sessions of those that were opened, end at once.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'There is none left.' } },
    problems: ['not_found'],
  }),
  openPortalSession: operation({
    operationId: 'openPortalSession',
    method: 'post',
    path: '/v1/portal/session',
    group,
    summary: 'Open a portal session with a link',
    description:
      'The link’s token is the credential; nothing else is sent. It is good once: of several that try only one gets the ' +
      'session. The session’s token is sent as `Authorization: Bearer phs_…`; it lasts as long as `POSTHORN_PORTAL_SESSION_SECONDS` says.',
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
    description: 'Whose it is, and until when it lasts.',
    params: noParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The session that asks.', schema: portalSessionResource } },
    problems: [],
  }),
  endPortalSession: operation({
    operationId: 'endPortalSession',
    method: 'delete',
    path: '/v1/portal/session',
    group,
    summary: 'End the portal session',
    description: 'For signing out. The customer’s other sessions go on.',
    params: noParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'The token is good no more.' } },
    problems: [],
  }),
} as const;

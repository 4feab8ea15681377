import {
  accessBy,
  type OperationId,
  operations,
  type PermissionCaller,
  permissionOf,
  type ProblemCode,
} from '@posthorn/api-contract';

import { permissionRequests, unknownParams } from '../permission-requests.js';
import type { PermissionWorld } from '../permission-world.js';
import type { OutcomeRequest } from './outcome-requests.js';

/** The kinds of callers, and a token of each. */
export interface Callers {
  tokenFor(caller: PermissionCaller): Promise<string>;
  /** Of an API key that may not ask for anything any more. */
  spentKey: string;
}

/** A request that the operation answers with success, by someone who may. */
export async function successfulRequest(
  id: OperationId,
  world: PermissionWorld,
  callers: Callers,
): Promise<OutcomeRequest> {
  const request = await permissionRequests[id].make(world, 'acme');
  const caller = callerWhoMay(id);
  return caller ? { ...request, token: await callers.tokenFor(caller) } : request;
}

/** The refusals that an operation shares with most others: the successful request, with one thing wrong. Null: none of these. */
export async function commonRefusal(
  id: OperationId,
  code: ProblemCode,
  world: PermissionWorld,
  callers: Callers,
): Promise<OutcomeRequest | null> {
  const request = () => successfulRequest(id, world, callers);
  switch (code) {
    case 'invalid_request':
      return { ...(await request()), query: { unknown: '1' } };
    case 'unauthorized':
      return id === 'openPortalSession'
        ? { body: { token: `phl_${'x'.repeat(43)}` } }
        : withoutToken(await request());
    case 'forbidden': {
      const stranger = everyCaller.find((caller) => mayAsk(id, caller) === 'no');
      return stranger ? { ...(await request()), token: await callers.tokenFor(stranger) } : null;
    }
    case 'not_found':
      return toNowhere(await request());
    case 'payload_too_large':
      return { ...(await request()), body: ' '.repeat(5 * 1024 * 1024 + 1) };
    case 'unsupported_media_type':
      return { ...(await request()), body: '{}', headers: { 'content-type': 'text/plain' } };
    case 'rate_limited':
      return { ...(await request()), token: callers.spentKey };
    default:
      return null;
  }
}

const everyCaller: readonly PermissionCaller[] = [
  { kind: 'key', scopes: ['admin'], customerId: null },
  { kind: 'key', scopes: ['read'], customerId: null },
  { kind: 'key', scopes: ['deliveries:write'], customerId: null },
  { kind: 'key', scopes: ['events:write'], customerId: null },
  { kind: 'portal' },
];

function callerWhoMay(id: OperationId): PermissionCaller | undefined {
  return everyCaller.find((caller) => !['no', null].includes(mayAsk(id, caller)));
}

function mayAsk(id: OperationId, caller: PermissionCaller): string | null {
  const permission = permissionOf(id);
  return permission === 'open' ? null : accessBy(permission, caller);
}

function withoutToken({ token: _token, ...request }: OutcomeRequest): OutcomeRequest {
  return request;
}

/** What it names is not there, in its path or else in its query or body. */
function toNowhere(request: OutcomeRequest): OutcomeRequest {
  const { params, query, body } = request;
  if (params) return { ...request, params: nowhere(params) };
  if (query) return { ...request, query: nowhere(query) };
  return { ...request, body: nowhere(body as Record<string, unknown>) };
}

function nowhere<T extends Record<string, unknown>>(named: T): T {
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => [name, unknownNames[name] ?? value]),
  ) as T;
}

const unknownNames: Readonly<Record<string, string>> = { ...unknownParams, name: 'no.such.type' };

/** The operations that only a portal session may ask for: an API key's limit says nothing about them. */
export function isForPortalsOnly(id: OperationId): boolean {
  return callerWhoMay(id)?.kind === 'portal';
}

export function pathOf(id: OperationId, { params = {}, query }: OutcomeRequest): string {
  const filled = operations[id].path.replace(/\{(\w+)\}/g, (_match, name: string) => params[name] ?? 'none');
  return query ? `${filled}?${new URLSearchParams(query).toString()}` : filled;
}

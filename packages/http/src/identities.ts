import type { Request } from 'express';

import type { ApiKeyDirectory } from './api-key-directory.js';
import { AppError } from './app-error.js';
import type { Caller } from './caller.js';
import type { FailedAttempts } from './limits/failed-attempts.js';
import type { PortalSessionDirectory } from './portal-session-directory.js';
import { hashToken } from './token-hash.js';

/** Tells who sends a request. */
export interface Identities {
  /**
   * By `Authorization: Bearer …`, an API key or the token of a portal session. Throws `unauthorized`, `unavailable` when
   * it cannot be looked up, or `rate_limited` when too many attempts from there failed.
   */
  identify(request: Request): Promise<Caller>;
  /** By an API key that came with the request in some other way. */
  identifyKey(request: Request, key: string): Promise<Caller>;
}

export interface IdentitiesDeps {
  apiKeys: Pick<ApiKeyDirectory, 'find' | 'isKnown'>;
  portalSessions: PortalSessionDirectory;
  failedAttempts: FailedAttempts;
}

export function createIdentities({ apiKeys, portalSessions, failedAttempts }: IdentitiesDeps): Identities {
  /** What is known to be good gets through whatever else comes from its address. */
  const find = async <T>(
    { isKnown, find: findToken }: { isKnown(hash: Buffer): boolean; find(hash: Buffer): Promise<T | null> },
    request: Request,
    token: string,
    problem: string,
  ): Promise<T> => {
    const hash = hashToken(token);
    if (!isKnown(hash)) failedAttempts.refuse(request.ip);
    const found = await findToken(hash);
    if (found) return found;
    failedAttempts.note(request.ip);
    throw unauthorized(problem);
  };

  const identifyKey = async (request: Request, key: string): Promise<Caller> => {
    const found = await find(apiKeys, request, key, 'The API key is unknown or revoked.');
    const { id, scopes, customerId, rateLimit } = found;
    return { kind: 'key', id, scopes, customerId, rateLimit };
  };

  const identifySession = async (request: Request, token: string): Promise<Caller> => {
    const found = await find(portalSessions, request, token, 'The portal session has ended.');
    return { kind: 'portal', id: found.id, customerId: found.customerId, expiresAt: found.expiresAt };
  };

  return {
    async identify(request) {
      const token = bearer.exec(request.headers.authorization ?? '')?.[1];
      if (token === undefined) throw unauthorized(`${whyNone(request)}${sendOne}`);
      return token.startsWith('phs_') ? identifySession(request, token) : identifyKey(request, token);
    },
    identifyKey,
  };
}

const sendOne =
  'Send an API key in the header "Authorization: Bearer phk_…"; an operator creates one with POST /v1/api-keys or ' +
  '"posthorn keys create".';

/** What is in the header is not repeated: it may be the key of something else. */
function whyNone({ headers: { authorization } }: Request): string {
  if (authorization === undefined) return '';
  if (!/^Bearer /i.test(authorization)) return 'The header Authorization does not begin with "Bearer ". ';
  return 'The text after "Bearer " is not an API key: keys begin with phk_. ';
}

const bearer = /^Bearer +(ph[ks]_[A-Za-z0-9_-]{20,128}) *$/i;

export function unauthorized(detail: string): AppError {
  return new AppError({
    code: 'unauthorized',
    detail,
    headers: { 'WWW-Authenticate': 'Bearer realm="posthorn"' },
  });
}

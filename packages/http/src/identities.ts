import type { Request } from 'express';

import type { ApiKeyDirectory } from './api-key-directory.js';
import { AppError } from './app-error.js';
import type { Caller } from './caller.js';
import type { PortalSessionDirectory } from './portal-session-directory.js';
import { hashToken } from './token-hash.js';

/** Tells who sends a request. */
export interface Identities {
  /**
   * By `Authorization: Bearer …`, an API key or the token of a portal session. Throws `unauthorized`, or `unavailable`
   * when it cannot be looked up.
   */
  identify(request: Request): Promise<Caller>;
  /** By an API key that came in some other way. */
  identifyKey(key: string): Promise<Caller>;
}

export interface IdentitiesDeps {
  apiKeys: Pick<ApiKeyDirectory, 'find'>;
  portalSessions: PortalSessionDirectory;
}

export function createIdentities({ apiKeys, portalSessions }: IdentitiesDeps): Identities {
  const identifyKey = async (key: string): Promise<Caller> => {
    const found = await apiKeys.find(hashToken(key));
    if (!found) throw unauthorized('The API key is unknown or revoked.');
    return { kind: 'key', id: found.id, scopes: found.scopes, customerId: found.customerId };
  };

  const identifySession = async (token: string): Promise<Caller> => {
    const found = await portalSessions.find(hashToken(token));
    if (!found) throw unauthorized('The portal session is over.');
    return { kind: 'portal', id: found.id, customerId: found.customerId, expiresAt: found.expiresAt };
  };

  return {
    async identify(request) {
      const token = bearer.exec(request.headers.authorization ?? '')?.[1];
      if (token === undefined) throw unauthorized('Send an API key as "Authorization: Bearer phk_…".');
      return token.startsWith('phs_') ? identifySession(token) : identifyKey(token);
    },
    identifyKey,
  };
}

const bearer = /^Bearer +(ph[ks]_[A-Za-z0-9_-]{20,128}) *$/i;

export function unauthorized(detail: string): AppError {
  return new AppError({
    code: 'unauthorized',
    detail,
    headers: { 'WWW-Authenticate': 'Bearer realm="posthorn"' },
  });
}

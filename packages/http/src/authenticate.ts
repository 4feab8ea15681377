import type { NextFunction, Request, RequestHandler, Response } from 'express';

import type { ApiKeyDirectory } from './api-key-directory.js';
import { hashApiKey } from './api-key-hash.js';
import { AppError } from './app-error.js';
import { type AuditTrail, setAuditTrail } from './audit-trail.js';
import { type Caller, setCaller } from './caller.js';

/** Sets the caller for `callerOf`, or refuses with 401. What the caller changes is recorded in the trail. */
export function authenticate(directory: ApiKeyDirectory, auditTrail?: AuditTrail): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    setCaller(response, await identifyCaller(directory, request));
    if (auditTrail) setAuditTrail(response, auditTrail);
    next();
  };
}

/** The caller by `Authorization: Bearer phk_…`. Throws `unauthorized`, or `unavailable` when the key cannot be looked up. */
export async function identifyCaller(directory: ApiKeyDirectory, request: Request): Promise<Caller> {
  const key = bearer.exec(request.headers.authorization ?? '')?.[1];
  if (key === undefined) throw unauthorized('Send an API key as "Authorization: Bearer phk_…".');
  return identifyKey(directory, key);
}

export async function identifyKey(directory: ApiKeyDirectory, key: string): Promise<Caller> {
  const found = await directory.find(hashApiKey(key));
  if (!found) throw unauthorized('The API key is unknown or revoked.');
  return { kind: 'key', id: found.id, scopes: found.scopes, customerId: found.customerId };
}

const bearer = /^Bearer +(phk_[A-Za-z0-9_-]{20,128}) *$/i;

function unauthorized(detail: string): AppError {
  return new AppError({
    code: 'unauthorized',
    detail,
    headers: { 'WWW-Authenticate': 'Bearer realm="posthorn"' },
  });
}

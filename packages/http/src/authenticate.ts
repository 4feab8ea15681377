import type { NextFunction, Request, RequestHandler, Response } from 'express';

import { type AuditTrail, setAuditTrail } from './audit-trail.js';
import { setCaller } from './caller.js';
import type { Identities } from './identities.js';

/** Sets the caller for `callerOf`, or refuses with 401. What the caller changes is recorded in the trail. */
export function authenticate(identities: Identities, auditTrail?: AuditTrail): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    setCaller(response, await identities.identify(request));
    if (auditTrail) setAuditTrail(response, auditTrail);
    next();
  };
}

/** For the operations that anyone may ask for: only that what they change is recorded. */
export function admitAnyone(auditTrail?: AuditTrail): RequestHandler {
  return (_request: Request, response: Response, next: NextFunction) => {
    if (auditTrail) setAuditTrail(response, auditTrail);
    next();
  };
}

import type { NextFunction, Request, RequestHandler, Response } from 'express';

import { type AuditTrail, setAuditTrail } from './audit-trail.js';
import { setCaller, setIdentification } from './caller.js';
import type { Identities } from './identities.js';
import type { FailedAttempts } from './limits/failed-attempts.js';
import type { RequestLimits } from './limits/request-limits.js';

export interface AuthenticationDeps {
  identities: Identities;
  limits: RequestLimits;
  /** Records what the caller changes; not needed where nothing is. */
  auditTrail?: AuditTrail;
}

/** Sets the caller for `callerOf`, or refuses: 401 for one that is unknown, 429 for one that asks too often. */
export function authenticate({ identities, limits, auditTrail }: AuthenticationDeps): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    const caller = await identities.identify(request);
    await limits.count(caller, 'api', response);
    setCaller(response, caller);
    setIdentification(response, () => identities.identify(request));
    if (auditTrail) setAuditTrail(response, auditTrail);
    next();
  };
}

export interface AdmissionDeps {
  failedAttempts: FailedAttempts;
  auditTrail: AuditTrail;
}

/** For operations that look at a credential themselves: whoever failed too often is refused, and a 401 is a failure. */
export function throttleAnonymous({ failedAttempts, auditTrail }: AdmissionDeps): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    const { ip } = request;
    failedAttempts.refuse(ip);
    response.once('finish', () => {
      if (response.statusCode === 401) failedAttempts.note(ip);
    });
    setAuditTrail(response, auditTrail);
    next();
  };
}

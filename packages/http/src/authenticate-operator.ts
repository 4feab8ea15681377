import type { NextFunction, Request, RequestHandler, Response } from 'express';

import { AppError } from './app-error.js';
import { type Caller, requireOperator } from './caller.js';
import type { Identities } from './identities.js';

/**
 * For pages that only an operator may open: an API key with the scope `admin` for all customers, as Bearer, or as the
 * password of a browser's own dialogue (Basic, RFC 7617), whatever the user name.
 */
export function authenticateOperator(identities: Identities): RequestHandler {
  return async (request: Request, _response: Response, next: NextFunction) => {
    const caller = await identify(identities, request);
    requireOperator(caller);
    next();
  };
}

async function identify(identities: Identities, request: Request): Promise<Caller> {
  const encoded = basic.exec(request.headers.authorization ?? '')?.[1];
  try {
    if (encoded === undefined) return await identities.identify(request);
    const password = Buffer.from(encoded, 'base64')
      .toString()
      .replace(/^[^:]*:/s, '');
    return await identities.identifyKey(request, password);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'unauthorized') throw error;
    throw new AppError({
      code: 'unauthorized',
      detail: error.message,
      headers: { 'WWW-Authenticate': challenge },
    });
  }
}

// Makes a browser ask for user name and password.
const challenge = 'Basic realm="posthorn, with an admin API key as the password", charset="UTF-8"';
const basic = /^Basic +([A-Za-z0-9+/]{4,400}={0,2}) *$/i;

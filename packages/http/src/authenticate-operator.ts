import type { NextFunction, Request, RequestHandler, Response } from 'express';

import type { ApiKeyDirectory } from './api-key-directory.js';
import { AppError } from './app-error.js';
import { identifyCaller, identifyKey } from './authenticate.js';
import { type Caller, requireOperator } from './caller.js';

/**
 * For pages that only an operator may open: an API key with the scope `admin` for all customers, as Bearer, or as the
 * password of a browser's own dialogue (Basic, RFC 7617), whatever the user name.
 */
export function authenticateOperator(directory: ApiKeyDirectory): RequestHandler {
  return async (request: Request, _response: Response, next: NextFunction) => {
    const caller = await identify(directory, request);
    requireOperator(caller);
    next();
  };
}

async function identify(directory: ApiKeyDirectory, request: Request): Promise<Caller> {
  const encoded = basic.exec(request.headers.authorization ?? '')?.[1];
  try {
    if (encoded === undefined) return await identifyCaller(directory, request);
    const password = Buffer.from(encoded, 'base64')
      .toString()
      .replace(/^[^:]*:/s, '');
    return await identifyKey(directory, password);
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

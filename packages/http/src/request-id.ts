import { randomUUID } from 'node:crypto';

import type { NextFunction, Request, Response } from 'express';
import type { IncomingMessage } from 'node:http';

/** Puts `X-Request-Id` on every answer: the caller's when it is sane, otherwise one of ours. */
export function requestId(request: Request, response: Response, next: NextFunction): void {
  const id = requestIdFor(request);
  response.locals.requestId = id;
  response.setHeader('X-Request-Id', id);
  next();
}

/** The caller's when it is sane, otherwise a new one. */
export function requestIdFor(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && sane.test(given) ? given : randomUUID();
}

export function requestIdOf(response: Response): string {
  return (response.locals.requestId as string | undefined) ?? '';
}

/** Goes into logs and answers as it is: nothing that could end a line or a quote. */
const sane = /^[A-Za-z0-9._:-]{1,128}$/;

import { randomUUID } from 'node:crypto';

import type { NextFunction, Request, Response } from 'express';

/** Puts `X-Request-Id` on every answer: the caller's when it is sane, otherwise one of ours. */
export function requestId(request: Request, response: Response, next: NextFunction): void {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && sane.test(given) ? given : randomUUID();
  response.locals.requestId = id;
  response.setHeader('X-Request-Id', id);
  next();
}

export function requestIdOf(response: Response): string {
  return (response.locals.requestId as string | undefined) ?? '';
}

/** Goes into logs and answers as it is: nothing that could end a line or a quote. */
const sane = /^[A-Za-z0-9._:-]{1,128}$/;

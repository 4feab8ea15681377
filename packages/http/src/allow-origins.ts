import { leastScope, operationList, permissionOf } from '@posthorn/api-contract';
import cors from 'cors';
import type { Request, RequestHandler } from 'express';

/**
 * Lets pages of these origins call the API from a browser, but not send events. Without credentials of the browser's own:
 * a caller is known by a header that a page has to set, so no page can borrow what the browser keeps for another.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allow = cors({
    // A list: `Vary: Origin` is sent, and an origin that is not in it gets no header at all.
    origin: [...origins],
    methods: ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'X-Request-Id'],
    exposedHeaders: ['Idempotent-Replayed', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id'],
    maxAge: 600,
  });
  return (request, response, next) => {
    if (asksToSendEvents(request)) next();
    else allow(request, response, next);
  };
}

const ingestPaths = new Set(
  operationList
    .filter(({ method, operationId }) => method === 'post' && isIngest(operationId))
    .map(({ path }) => path),
);

function isIngest(operationId: string): boolean {
  const permission = permissionOf(operationId);
  return permission !== 'open' && leastScope(permission) === 'events:write';
}

function asksToSendEvents({ method, baseUrl, path, headers }: Request): boolean {
  return (
    method === 'OPTIONS' &&
    headers['access-control-request-method'] === 'POST' &&
    ingestPaths.has(`${baseUrl}${path}`)
  );
}

import type { Logger } from '@posthorn/runtime';
import express, { type Express, type RequestHandler, type Router } from 'express';

import { allowOrigins } from './allow-origins.js';
import { methodNotAllowed, refuseMethodOfNamedPath } from './method-not-allowed.js';
import { problemHandler } from './problem-handler.js';
import { requestId } from './request-id.js';
import { securityHeaders } from './security-headers.js';

export interface HttpAppOptions {
  logger: Logger;
  /** The hot path, in front of all others. Its answers are JSON and go without the headers that only pages need. */
  ingest?: Router | undefined;
  routers: readonly Router[];
  /** Addresses or ranges of proxies whose `X-Forwarded-For` is believed. Default none. */
  trustedProxies?: readonly string[];
  /** Origins of pages elsewhere that may read the answers of the API, but for ingest. Default none. */
  corsOrigins?: readonly string[];
}

/** The one way to put routers on a port: request ids, security headers, and problem documents for whatever is left. */
export function createHttpApp({
  logger,
  ingest,
  routers,
  trustedProxies = [],
  corsOrigins = [],
}: HttpAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  // An entity tag costs a hash of every answer, and nobody revalidates these.
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('trust proxy', [...trustedProxies]);
  app.use(requestId);
  if (ingest) app.use(unlessOptions(ingest));
  app.use(securityHeaders());
  if (corsOrigins.length > 0) app.use('/v1', allowOrigins(corsOrigins));
  const refuse = methodNotAllowed();
  // A router would answer these by itself, with nothing that the API's other answers have.
  app.use((request, response, next) => {
    if (request.method === 'OPTIONS') refuse(request, response, next);
    else next();
  });
  app.use(refuseMethodOfNamedPath());
  for (const router of routers) app.use(router);
  app.use(refuse, problemHandler({ logger }));
  return app;
}

/** Pages elsewhere ask with OPTIONS before they read `/v1/events`, which is also where events are sent to. */
function unlessOptions(router: Router): RequestHandler {
  return (request, response, next) => {
    if (request.method === 'OPTIONS') next();
    else router(request, response, next);
  };
}

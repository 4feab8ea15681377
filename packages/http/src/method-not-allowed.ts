import { operationList } from '@posthorn/api-contract';
import type { RequestHandler } from 'express';

import { AppError, notFound } from './app-error.js';

/**
 * In front of the routers: `GET /v1/events/batch` is 405, as everywhere where a path is for other methods only, and no
 * question for an event called batch.
 */
export function refuseMethodOfNamedPath(): RequestHandler {
  const methods = new Map<string, string[]>();
  for (const { method, path } of routes())
    if (!path.includes('{')) methods.set(path, [...(methods.get(path) ?? []), method]);
  return ({ method, path }, _response, next) => {
    const allowed = methods.get(path.replace(/(?<=.)\/$/, ''));
    if (allowed && !withHead(allowed).includes(method)) throw notAllowed(method, allowed);
    next();
  };
}

/** The end of the line: 405 with `Allow` where the path exists for other methods, otherwise 404. */
export function methodNotAllowed(): RequestHandler {
  const all = routes();
  return (request) => {
    const matching = all.filter(({ pattern }) => pattern.test(request.path));
    // `/v1/events/batch` is itself before it is an event called batch.
    const named = matching.filter(({ path }) => !path.includes('{'));
    const allowed = (named.length > 0 ? named : matching).map(({ method }) => method);
    // This process may not serve an operation that exists.
    if (allowed.length === 0) throw unknownPath(request.path);
    if (withHead(allowed).includes(request.method)) throw notFound();
    throw notAllowed(request.method, allowed);
  };
}

function notAllowed(method: string, allowed: readonly string[]): AppError {
  const names = [...new Set(withHead(allowed))].sort().join(', ');
  return new AppError({
    code: 'method_not_allowed',
    detail: `${method} is not allowed here; allowed: ${names}. The operations are at /docs.`,
    headers: { Allow: names },
  });
}

function withHead(methods: readonly string[]): readonly string[] {
  return methods.includes('GET') ? [...methods, 'HEAD'] : methods;
}

function routes(): { method: string; path: string; pattern: RegExp }[] {
  return operationList.flatMap(({ method, path, aliases = [] }) =>
    [path, ...aliases].map((at) => ({
      method: method.toUpperCase(),
      path: at,
      pattern: new RegExp(`^${at.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}/?$`),
    })),
  );
}

/** What nothing is served at, for anyone: what is there is written down at a place that is. */
function unknownPath(path: string): AppError {
  const where =
    path === '/'
      ? 'This is the address of the API, and its paths begin with /v1'
      : 'The API has no such path';
  return new AppError({
    code: 'not_found',
    detail: `${where}; /docs describes it to people and /openapi.json to programs.`,
  });
}

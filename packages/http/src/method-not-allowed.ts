import { operationList } from '@posthorn/api-contract';
import type { RequestHandler } from 'express';

import { AppError, notFound } from './app-error.js';

/** The end of the line: 405 with `Allow` where the path exists for other methods, otherwise 404. */
export function methodNotAllowed(): RequestHandler {
  const routes = operationList.flatMap(({ method, path, aliases = [] }) =>
    [path, ...aliases].map((at) => ({
      method: method.toUpperCase(),
      path: at,
      pattern: new RegExp(`^${at.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}/?$`),
    })),
  );
  return (request) => {
    const matching = routes.filter(({ pattern }) => pattern.test(request.path));
    // `/v1/events/batch` is itself before it is an event called batch.
    const named = matching.filter(({ path }) => !path.includes('{'));
    const allowed = (named.length > 0 ? named : matching).map(({ method }) => method);
    // This process may not serve an operation that exists.
    if (allowed.length === 0 || allowed.includes(request.method)) throw notFound();
    if (allowed.includes('GET')) allowed.push('HEAD');
    const names = [...new Set(allowed)].sort().join(', ');
    throw new AppError({
      code: 'method_not_allowed',
      detail: `${request.method} is not allowed here; allowed: ${names}.`,
      headers: { Allow: names },
    });
  };
}

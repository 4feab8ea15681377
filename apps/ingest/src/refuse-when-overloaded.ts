import { type Operation, operations } from '@posthorn/api-contract';
import { requestIdFor, sendProblem } from '@posthorn/http';
import type { RequestListener } from 'node:http';

import type { OverloadGuard } from './overload-guard.js';

/**
 * In front of the whole application: under a flood refusing is what a process does most, and the way through the
 * middleware costs several times what the refusal does. Only accepting is refused; whatever else the port serves goes on.
 */
export function refuseWhenOverloaded(overload: OverloadGuard, handler: RequestListener): RequestListener {
  return (request, response) => {
    const refusal = accepts(request.method, request.url ?? '') ? overload.refusal(1) : null;
    if (!refusal) {
      handler(request, response);
      return;
    }
    const requestId = requestIdFor(request);
    response.setHeader('X-Request-Id', requestId);
    sendProblem(request, response, refusal, requestId);
  };
}

function accepts(method: string | undefined, url: string): boolean {
  if (method !== 'POST') return false;
  const query = url.indexOf('?');
  return acceptingPaths.has(query < 0 ? url : url.slice(0, query));
}

const acceptingPaths = new Set(
  [operations.createEvent, operations.createEvents, operations.deliverWebhook]
    .flatMap(({ path, aliases = [] }: Pick<Operation, 'path' | 'aliases'>) => [path, ...aliases])
    .flatMap((path) => [path, `${path}/`]),
);

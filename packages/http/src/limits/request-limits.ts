import type { Response } from 'express';

import { AppError } from '../app-error.js';
import type { Caller } from '../caller.js';
import type { Limit, LimitVerdict, RateLimiter } from './rate-limiter.js';

/** Which part of the API a request is for: sending events, or everything else. */
export type RequestKind = 'ingest' | 'api';

export interface RequestLimits {
  /**
   * Counts a request of this caller, and says on its answer what is left. Throws `rate_limited`. Returns nothing where
   * there is nothing to wait for.
   */
  count(caller: Caller, kind: RequestKind, response: Response): Promise<void> | undefined;
}

export interface RequestLimitsDeps {
  limiter: RateLimiter;
  /** Of each key and each portal session that has no limit of its own; null: none. */
  defaults: Readonly<Record<RequestKind, Limit | null>>;
}

export function createRequestLimits({ limiter, defaults }: RequestLimitsDeps): RequestLimits {
  return {
    count(caller, kind, response) {
      const own = caller.kind === 'key' ? caller.rateLimit : null;
      const limit = own ?? defaults[kind];
      if (limit === null) return undefined;
      // A limit of its own is one for all that a key asks for.
      const policy = own ? 'key' : kind;
      const verdict = limiter.take(`${policy}:${caller.id}`, limit);
      if (verdict instanceof Promise) return verdict.then((waited) => obey(waited, policy, limit, response));
      obey(verdict, policy, limit, response);
      return undefined;
    },
  };
}

function obey(
  { allowed, remaining, resetMs }: LimitVerdict,
  policy: string,
  limit: Limit,
  response: Response,
) {
  const seconds = Math.max(1, Math.ceil(resetMs / 1_000));
  if (remaining !== null) {
    // As draft-ietf-httpapi-ratelimit-headers-10 writes them.
    response.setHeader('RateLimit-Policy', `"${policy}";q=${limit.max};w=${limit.perSeconds}`);
    response.setHeader('RateLimit', `"${policy}";r=${remaining};t=${seconds}`);
  }
  if (allowed) return;
  throw new AppError({
    code: 'rate_limited',
    detail: `No more than ${limit.max} requests in ${limit.perSeconds} s; wait for the seconds in Retry-After.`,
    headers: { 'Retry-After': String(seconds) },
  });
}

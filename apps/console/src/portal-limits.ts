import { AppError, type Caller } from '@posthorn/http';

/** How much an endpoint may send; null: `maxInFlight` by default, no rate limit. */
export interface EndpointLimits {
  maxInFlight: number | null;
  rateLimit: { max: number; perSeconds: number } | null;
}

export const noEndpointLimits: EndpointLimits = { maxInFlight: null, rateLimit: null };

/** Someone in the portal may lower the limits of an endpoint, never raise them. Throws `forbidden`. */
export function refuseRaisedLimits(
  caller: Caller,
  current: EndpointLimits,
  next: EndpointLimits,
  defaults: { maxInFlight: number },
): void {
  if (caller.kind !== 'portal') return;
  const raised: string[] = [];
  if ((next.maxInFlight ?? defaults.maxInFlight) > (current.maxInFlight ?? defaults.maxInFlight))
    raised.push('maxInFlight');
  if (isFaster(next.rateLimit, current.rateLimit)) raised.push('rateLimit');
  if (raised.length === 0) return;
  throw new AppError({
    code: 'forbidden',
    detail: 'A portal session can lower limits, but cannot raise them.',
    errors: raised.map((path) => ({ path, message: `"${path}" must not be higher than it is` })),
  });
}

function isFaster(next: EndpointLimits['rateLimit'], current: EndpointLimits['rateLimit']): boolean {
  if (current === null) return false;
  return next === null || next.max * current.perSeconds > current.max * next.perSeconds;
}

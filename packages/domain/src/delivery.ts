export const deliveryStatuses = ['pending', 'held', 'delivered', 'dead_lettered', 'cancelled'] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

/** Why a pending delivery is not being sent now. */
export const waitingForReasons = ['retry', 'breaker', 'rate_limit', 'concurrency'] as const;
export type WaitingFor = (typeof waitingForReasons)[number];

/**
 * `expired`: its time was over while it had attempts left; `expired_by_breaker` and `expired_by_rate_limit` where that is
 * what used it up. `gone`: a one-shot's target answered 410; an endpoint is disabled for that.
 */
export type DeadLetterReason =
  'attempts_exhausted' | 'expired' | 'expired_by_breaker' | 'expired_by_rate_limit' | 'gone';

/** The type of events that test an endpoint. */
export const testType = 'posthorn.test';

export const attemptTriggers = ['automatic', 'replay', 'test'] as const;
export type AttemptTrigger = (typeof attemptTriggers)[number];

/** `overlapped`: the loser of two settles of one attempt, kept under a number of its own. */
export const attemptStatuses = ['delivered', 'failed', 'timeout', 'refused', 'overlapped'] as const;
export type AttemptStatus = (typeof attemptStatuses)[number];

/** True when the delivery will not be tried again by itself; only a replay opens it again. */
export function isFinished(status: DeliveryStatus): boolean {
  return status === 'delivered' || status === 'dead_lettered' || status === 'cancelled';
}

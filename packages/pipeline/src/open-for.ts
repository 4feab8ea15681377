import { resolveRetryPolicy, retrySpanMs, type RetryPolicyInput } from '@posthorn/domain';

/** On top of its policy's span a delivery may be parked (breaker, rate limit) this long before it expires. */
export const parkingMs = 72 * 3_600_000;

/** How long after it opened a delivery under this policy expires. */
export function openForMs(policy: RetryPolicyInput | null): number {
  return retrySpanMs(resolveRetryPolicy(policy)) + parkingMs;
}

import { parkedMaxMs, resolveRetryPolicy, retrySpanMs, type RetryPolicyInput } from '@posthorn/domain';

/** How long after it opened a delivery under this policy expires: its policy's span, and what it may be parked. */
export function deliveryLifetimeMs(policy: RetryPolicyInput | null): number {
  return retrySpanMs(resolveRetryPolicy(policy)) + parkedMaxMs(policy);
}

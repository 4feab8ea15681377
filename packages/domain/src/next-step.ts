import type { RecordedOutcome } from './attempt-outcome.js';
import type { DeadLetterReason } from './delivery.js';
import type { EndpointDisabledReason } from './endpoint.js';
import { parseRetryAfterMs } from './retry-after.js';
import { type RetryPolicy, retryDelayMs } from './retry-policy.js';

export type NextStep =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly delayMs: number; readonly because: 'policy' | 'retry_after' }
  | { readonly kind: 'dead_letter'; readonly reason: DeadLetterReason }
  | { readonly kind: 'disable_endpoint'; readonly reason: EndpointDisabledReason };

export interface NextStepInput {
  readonly outcome: RecordedOutcome;
  /** Failed attempts in this opening of the delivery, this one included. */
  readonly failedAttempts: number;
  readonly policy: RetryPolicy;
  readonly nowMs: number;
  readonly expiresAtMs: number;
  /** Gives a number in [0, 1). */
  readonly random: () => number;
}

/**
 * What becomes of a delivery after an attempt. Delivered is delivered, whatever the budget says. 410 disables the
 * endpoint, so that the delivery is held, not lost. Otherwise the policy's delay, which Retry-After of any response but a
 * 2xx lengthens and never shortens; a delivery whose next attempt would come after its expiry ends now: by the pause that the
 * endpoint asked for, or because it was parked before (whoever records it finds out by what).
 */
export function decideNextStep({
  outcome,
  failedAttempts,
  policy,
  nowMs,
  expiresAtMs,
  random,
}: NextStepInput): NextStep {
  if (outcome.status === 'delivered') return { kind: 'delivered' };
  if (outcome.status === 'failed' && outcome.responseCode === 410) {
    return { kind: 'disable_endpoint', reason: 'gone' };
  }
  if (failedAttempts >= policy.maxAttempts) return { kind: 'dead_letter', reason: 'attempts_exhausted' };

  const policyDelayMs = retryDelayMs(policy, failedAttempts, random);
  const askedDelayMs = retryAfterMs(outcome, nowMs) ?? 0;
  const delayMs = Math.max(policyDelayMs, askedDelayMs);
  if (nowMs + policyDelayMs > expiresAtMs) return { kind: 'dead_letter', reason: 'expired' };
  if (nowMs + delayMs > expiresAtMs) return { kind: 'dead_letter', reason: 'expired_by_rate_limit' };
  return { kind: 'retry', delayMs, because: askedDelayMs > policyDelayMs ? 'retry_after' : 'policy' };
}

function retryAfterMs(outcome: RecordedOutcome, nowMs: number): number | null {
  const { responseCode, responseHeaders } = outcome;
  if (responseCode === null || (responseCode >= 200 && responseCode < 300)) return null;
  return parseRetryAfterMs(responseHeaders?.['retry-after'], nowMs);
}

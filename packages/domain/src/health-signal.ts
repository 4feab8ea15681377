import type { RecordedOutcome } from './attempt-outcome.js';
import { parseRetryAfterMs } from './retry-after.js';

/** What an attempt says about the health of its endpoint, beside what becomes of its delivery. */
export interface HealthSignal {
  /**
   * `neutral`: sent, but no sign of health (a 429, an attempt that another one superseded). `none`: nothing was sent.
   */
  readonly kind: 'success' | 'failure' | 'neutral' | 'none';
  /** How long the endpoint asks for a pause; 0 when it does not. */
  readonly pauseMs: number;
}

/**
 * Whatever is not delivered is a failure, except that 429 comes from an endpoint that works, and 410 from one that is gone
 * and disabled for it. 429 and 503 with Retry-After ask for a pause for all deliveries.
 */
export function signalFromOutcome(outcome: RecordedOutcome, nowMs: number): HealthSignal {
  if (outcome.status === 'delivered') return { kind: 'success', pauseMs: 0 };
  const { status, responseCode, responseHeaders } = outcome;
  const answered = status === 'failed' ? responseCode : null;
  const asksForPause = answered === 429 || answered === 503;
  return {
    kind: answered === 429 || answered === 410 ? 'neutral' : 'failure',
    pauseMs: asksForPause ? (parseRetryAfterMs(responseHeaders?.['retry-after'], nowMs) ?? 0) : 0,
  };
}

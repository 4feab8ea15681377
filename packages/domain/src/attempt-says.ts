import type { RecordedOutcome } from './attempt-outcome.js';
import { parseRetryAfterMs } from './retry-after.js';

/**
 * What an attempt says about its endpoint. `neutral`: sent, but no sign of its health (a 429, an attempt that another one
 * overtook). `none`: nothing was sent.
 */
export type EndpointSign = 'success' | 'failure' | 'neutral' | 'none';

/** What an attempt says about its endpoint, beside what becomes of its delivery. */
export interface AttemptSays {
  readonly sign: EndpointSign;
  /** The endpoint asks to be left alone for so long; 0 when it does not. */
  readonly slowDownMs: number;
}

/**
 * Whatever is not delivered is a failure, except that 429 comes from an endpoint that works, and 410 from one that is gone
 * and disabled for it. 429 and 503 with Retry-After ask for a pause for all deliveries.
 */
export function whatAttemptSays(outcome: RecordedOutcome, nowMs: number): AttemptSays {
  if (outcome.status === 'delivered') return { sign: 'success', slowDownMs: 0 };
  const { status, responseCode, responseHeaders } = outcome;
  const answered = status === 'failed' ? responseCode : null;
  return {
    sign: answered === 429 || answered === 410 ? 'neutral' : 'failure',
    slowDownMs:
      answered === 429 || answered === 503
        ? (parseRetryAfterMs(responseHeaders?.['retry-after'], nowMs) ?? 0)
        : 0,
  };
}

import type { AttemptErrorCode } from './attempt-errors.js';

/** What one HTTP try came to. The sender returns it; it throws for nothing a customer's endpoint does. */
export type AttemptOutcome =
  DeliveredOutcome | FailedOutcome | TimeoutOutcome | RefusedOutcome | AbortedOutcome;

/** An outcome that becomes an attempt row and may move its delivery: all but our own aborts. */
export type RecordedOutcome = Exclude<AttemptOutcome, AbortedOutcome>;

/** A 2xx, read to its end or to the cap. */
export interface DeliveredOutcome extends AttemptFacts {
  readonly status: 'delivered';
}

/** Any other response, or no connection. */
export interface FailedOutcome extends AttemptFacts {
  readonly status: 'failed';
}

/** The deadline over connect, headers and body passed. A response code may have been seen before it. */
export interface TimeoutOutcome extends AttemptFacts {
  readonly status: 'timeout';
}

/** We did not send: the target's address is not allowed. */
export interface RefusedOutcome extends AttemptFacts {
  readonly status: 'refused';
}

/** We stopped it ourselves (lock lost, shutdown): never recorded as the endpoint's fault. */
export interface AbortedOutcome extends AttemptFacts {
  readonly status: 'aborted';
}

export interface AttemptFacts {
  readonly responseCode: number | null;
  /** Names in lower case. */
  readonly responseHeaders: Readonly<Record<string, string>> | null;
  /** The first bytes of the body, at most 16 KiB by default. */
  readonly responseBody: Buffer | null;
  readonly responseTruncated: boolean;
  readonly error: AttemptError | null;
  /** The IP address that was connected to. */
  readonly address: string | null;
  /** The request went out a second time, over a new connection: the endpoint had closed the one that was kept alive. */
  readonly resent: boolean;
  readonly latencyMs: number;
  readonly startedAt: Date;
}

export interface AttemptError {
  /** Of the table in `attempt-errors.ts`. */
  readonly code: AttemptErrorCode;
  readonly message: string;
}

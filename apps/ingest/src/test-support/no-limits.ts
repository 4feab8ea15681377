import type { FailedAttempts, RequestLimits } from '@posthorn/http';

/** For tests that are about something else. */
export const unlimited: RequestLimits = { count: () => undefined };

export const neverRefused: FailedAttempts = { refuse: () => undefined, note: () => undefined };

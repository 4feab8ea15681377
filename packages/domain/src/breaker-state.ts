export const breakerStates = ['closed', 'open', 'half_open'] as const;
export type BreakerState = (typeof breakerStates)[number];

/** What of a breaker outlives its process. */
export interface StoredBreaker {
  /** Null while closed. */
  readonly openUntilMs: number | null;
  /** How often it opened since it was last closed. */
  readonly openings: number;
}

export function breakerStateAt(openUntilMs: number | null, nowMs: number): BreakerState {
  if (openUntilMs === null) return 'closed';
  return openUntilMs > nowMs ? 'open' : 'half_open';
}

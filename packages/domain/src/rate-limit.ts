/** At most `max` starts in any `perSeconds` seconds. */
export interface RateLimit {
  readonly max: number;
  readonly perSeconds: number;
}

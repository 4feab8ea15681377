/** At most `max` starts in any `perSeconds` seconds. */
export interface RateLimit {
  readonly max: number;
  readonly perSeconds: number;
}

/**
 * How late a timer may fire without the rate falling behind. The interval between starts is longer by its share of this,
 * so that the limit holds in every window even if one start is late and the next is not.
 */
const slackMs = 10;

/** Spaces starts evenly (GCRA with a burst of one): there is nothing to save up while nobody asks. */
export class Pacer {
  #intervalMs: number;
  #nextMs: number;

  /** `nextMs`: when the next start is allowed, as kept from before; never taken to be further off than one interval. */
  constructor(limit: RateLimit, nextMs: number, nowMs: number) {
    this.#intervalMs = intervalOf(limit);
    this.#nextMs = Math.min(nextMs, nowMs + this.#intervalMs);
  }

  /** When the next start is allowed. */
  get nextMs(): number {
    return this.#nextMs;
  }

  setLimit(limit: RateLimit, nowMs: number): void {
    this.#intervalMs = intervalOf(limit);
    this.#nextMs = Math.min(this.#nextMs, nowMs + this.#intervalMs);
  }

  /** Only from `nextMs` on. Returns the new `nextMs`. */
  start(nowMs: number): number {
    this.#nextMs = Math.max(this.#nextMs, nowMs - slackMs) + this.#intervalMs;
    return this.#nextMs;
  }

  /** A start came to nothing; `next` is what it returned. Given back only when nobody has built on it since. */
  giveBack(next: number, nowMs: number): void {
    if (this.#nextMs === next) this.#nextMs = Math.min(nowMs, next - this.#intervalMs);
  }
}

function intervalOf({ max, perSeconds }: RateLimit): number {
  return (perSeconds * 1000 + slackMs) / max;
}

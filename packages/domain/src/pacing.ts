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
  readonly #spareMs: number;

  /**
   * `nextMs`: when the next start is allowed, as kept from before; never taken to be further off than one interval.
   * `spareMs`: so much slower it is, per window.
   */
  constructor(limit: RateLimit, nextMs: number, nowMs: number, spareMs = 0) {
    this.#spareMs = spareMs;
    this.#intervalMs = intervalOf(limit, spareMs);
    this.#nextMs = Math.min(nextMs, nowMs + this.#intervalMs);
  }

  /** When the next start is allowed. */
  get nextMs(): number {
    return this.#nextMs;
  }

  setLimit(limit: RateLimit, nowMs: number): void {
    this.#intervalMs = intervalOf(limit, this.#spareMs);
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

/**
 * A rate limit is kept in two places. What counts is when a delivery is sent. Before, it is taken up, which is paced as
 * well, so that what has to wait is not taken up at all. Between the two lie Redis and Postgres, which take longer for one
 * than for the next: sends that would come too near to each other wait a little. Taking up is slower by a hair, so that
 * they do not wait for ever after a pause of either.
 */
export class Pace {
  readonly takeUps: Pacer;
  readonly sends: Pacer;

  /** `nextMs`: when the next send is allowed, as kept from before. */
  constructor(limit: RateLimit, nextMs: number, nowMs: number) {
    this.takeUps = new Pacer(limit, nextMs, nowMs, slackMs);
    this.sends = new Pacer(limit, nextMs, nowMs);
  }

  setLimit(limit: RateLimit, nowMs: number): void {
    this.takeUps.setLimit(limit, nowMs);
    this.sends.setLimit(limit, nowMs);
  }
}

function intervalOf({ max, perSeconds }: RateLimit, spareMs: number): number {
  return (perSeconds * 1000 + slackMs + spareMs) / max;
}

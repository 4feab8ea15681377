import type { RateLimit } from '@posthorn/domain';

/** How late a timer may fire without the rate falling behind: the next start makes up for it. */
const slackMs = 10;
/** How much longer one request may be on its way than another, so that the limit holds for a receiver that counts, too. */
const wayMs = 20;
/** By how much taking up is slower than sending, per window. */
const spareMs = 10;

/** Spaces starts evenly (GCRA with a burst of one): there is nothing to save up while nobody asks. */
export class Pacer {
  #intervalMs: number;
  #nextMs: number;
  readonly #slowerByMs: number;

  /**
   * `nextMs`: when the next start is allowed, as kept from before; never taken to be further off than one interval.
   * `slowerByMs`: so much longer each window is.
   */
  constructor(limit: RateLimit, nextMs: number, nowMs: number, slowerByMs = 0) {
    this.#slowerByMs = slowerByMs;
    this.#intervalMs = intervalOf(limit, slowerByMs);
    this.#nextMs = Math.min(nextMs, nowMs + this.#intervalMs);
  }

  /** When the next start is allowed. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** `nextMs`: as for a new one, when it is later than the one known here. */
  setLimit(limit: RateLimit, nowMs: number, nextMs = 0): void {
    this.#intervalMs = intervalOf(limit, this.#slowerByMs);
    this.#nextMs = Math.min(Math.max(this.#nextMs, nextMs), nowMs + this.#intervalMs);
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
    this.takeUps = new Pacer(limit, nextMs, nowMs, spareMs);
    this.sends = new Pacer(limit, nextMs, nowMs);
  }

  setLimit(limit: RateLimit, nowMs: number, nextMs = 0): void {
    this.takeUps.setLimit(limit, nowMs, nextMs);
    this.sends.setLimit(limit, nowMs, nextMs);
  }
}

/** Longer by its share of all of these: then no window holds more than `max`, even if one start is late and the next is not. */
function intervalOf({ max, perSeconds }: RateLimit, slowerByMs: number): number {
  return (perSeconds * 1000 + slackMs + wayMs + slowerByMs) / max;
}

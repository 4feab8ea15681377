import type { RateLimit } from '@posthorn/domain';

/** How late a timer may fire without the rate falling behind: the next start makes up for it. */
const slackMs = 10;
/** How much longer one request may be on its way than another, so that the limit holds for a receiver that counts, too. */
const wayMs = 20;
/** By how much fetching is slower than sending, per window. */
const spareMs = 10;

/** Spaces starts evenly (GCRA with a burst of one): nothing is saved up while no start is wanted. */
export class Pacer {
  #intervalMs: number;
  #nextMs: number;
  readonly #slowerByMs: number;

  /**
   * `nextMs`: when the next start is allowed, as kept from before; never taken to be further off than one interval.
   * `slowerByMs`: by how much each window is longer.
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

  /** A start came to nothing; `next` is what it returned. Given back only when no start has come after it. */
  giveBack(next: number, nowMs: number): void {
    if (this.#nextMs === next) this.#nextMs = Math.min(nowMs, next - this.#intervalMs);
  }
}

/**
 * A rate limit is kept in two steps. What counts is when a delivery is sent (the send pacer). Before that its job is fetched,
 * which is paced as well (the fetch pacer), so that what has to wait is not fetched at all. Between the two lie Redis and
 * Postgres, which take longer for one than for the next: sends that would come too near to each other wait a little.
 * Fetching is slower by a hair, so that they do not wait for ever after a pause of either.
 * Needed by lane-gate.integration.test.ts: the fetch pacer by "fetches no more than the rate limit of an endpoint", the send
 * pacer by "paces an endpoint and a customer".
 */
export class Pace {
  readonly fetch: Pacer;
  readonly send: Pacer;

  /** `nextMs`: when the next send is allowed, as kept from before. */
  constructor(limit: RateLimit, nextMs: number, nowMs: number) {
    this.fetch = new Pacer(limit, nextMs, nowMs, spareMs);
    this.send = new Pacer(limit, nextMs, nowMs);
  }

  setLimit(limit: RateLimit, nowMs: number, nextMs = 0): void {
    this.fetch.setLimit(limit, nowMs, nextMs);
    this.send.setLimit(limit, nowMs, nextMs);
  }
}

/** Longer by its share of all of these: then no window holds more than `max`, even if one start is late and the next is not. */
function intervalOf({ max, perSeconds }: RateLimit, slowerByMs: number): number {
  return (perSeconds * 1000 + slackMs + wayMs + slowerByMs) / max;
}

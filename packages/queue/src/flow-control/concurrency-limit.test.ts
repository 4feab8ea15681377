import { describe, expect, it } from '@jest/globals';
import { ConcurrencyLimit } from './concurrency-limit.js';

/** As many at once as the limit says, a second each. */
class Sends {
  readonly #limit: ConcurrencyLimit;
  #nowMs = 0;
  #sent = 0;

  constructor(
    readonly full: number,
    readonly succeeds: (sent: number, underway: number) => boolean,
  ) {
    this.#limit = new ConcurrencyLimit(full);
  }

  /** Seconds until the limit is this; Infinity after an hour. */
  secondsUntil(limit: number): number {
    for (let seconds = 0; seconds < 3600; seconds++) {
      if (this.#limit.limit === limit) return seconds;
      this.#nowMs += 1000;
      for (let place = this.#limit.limit; place > 0; place--)
        this.#limit.end(this.succeeds(++this.#sent, this.#limit.limit), this.#limit.limit, this.#nowMs);
    }
    return Infinity;
  }
}

describe('the concurrency of an endpoint that fails in part', () => {
  it('is back soon after half as many at once have delivered half as much', () => {
    const sends = new Sends(2, (sent) => sent % 5 === 0);
    const before = sends.secondsUntil(1);
    expect(before).toBeLessThan(3600);
    // A round of 20 successes would take 100 s.
    expect(sends.secondsUntil(2)).toBeLessThan(60);
  });

  it('stays lower where half as many at once deliver as much', () => {
    const sends = new Sends(10, (sent, underway) => sent % 10 < (underway <= 5 ? 9 : 3));
    expect(sends.secondsUntil(5)).toBeLessThan(3600);
    // Twice as many are tried again after the round of the trial and one more, not before.
    expect(sends.secondsUntil(10)).toBeGreaterThanOrEqual(40);
  });
});

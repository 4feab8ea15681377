/**
 * How many sends to an endpoint may be under way while little is known of it: one at first, and twice as many after each
 * full round of successes.
 *
 * `opening`: its lane has just opened. A failure takes its slot away, and a lane that waits for long may be allowed more.
 * `recovery`: its breaker has just closed. A failure begins with one again, and only successes allow more.
 *
 * Needed by slow-start.integration.test.ts and breaker.test.ts ("starts slowly after closing").
 */
export class SlowStart {
  #allowed = 1;
  #successesInRound = 0;
  #answered = false;

  constructor(readonly after: 'opening' | 'recovery') {}

  get allowed(): number {
    return this.#allowed;
  }

  /** Whether there is nothing to be careful about any more. `full`: how many the endpoint may have under way. */
  isOver(full: number): boolean {
    return this.#allowed >= full && (this.#answered || full <= 1);
  }

  succeeded(): void {
    this.#answered = true;
    if (++this.#successesInRound >= this.#allowed) this.#allow(this.#allowed * 2);
  }

  /** `usual`: such a failure is nothing new for the endpoint. */
  failed(usual: boolean): void {
    if (usual && this.#answered) return;
    this.#allow(this.after === 'recovery' ? 1 : Math.max(0, this.#allowed - 1));
  }

  /** Twice as many, at most `most` more. Gives how many more. */
  raiseLimit(most: number): number {
    const more = Math.min(most, Math.max(1, this.#allowed));
    this.#allow(this.#allowed + more);
    return more;
  }

  #allow(allowed: number): void {
    this.#allowed = allowed;
    this.#successesInRound = 0;
  }
}

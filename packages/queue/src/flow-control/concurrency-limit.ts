/** docs/concepts/limits-and-breaker.md says these to users. */
const concurrencyFigures = {
  /** Below this share of failures in a round a lowered limit rises; above it the limit is in question. */
  failureShare: 0.1,
  /** A round takes at least this long, and has at least this many outcomes, */
  roundMsMin: 20_000,
  outcomesMin: 30,
  /** lasts until this many succeeded, */
  successesMin: 20,
  /** but has no more outcomes than this. */
  outcomesMax: 200,
  /** Half as many at once is kept when they deliver this share or more of what was delivered before in the same time; */
  lessIsEnough: 0.85,
  /** when this many standard deviations are missing from that, the trial ends before its round: it costs half of what is sent; */
  missing: 1.2,
  /** twice as many, when they deliver this many times as much. */
  moreHelps: 1.3,
  /** Rounds before the first trial; */
  restFirst: 2,
  /** after one that did not help, and twice as many each time */
  restMin: 8,
  /** up to this. */
  restMax: 32,
} as const;

/**
 * How many sends an endpoint that fails in part may have under way: as many as its settings allow, unless fewer deliver as
 * much. Whether its failures come from too many at once cannot be seen from them, so it is tried out: half as many for a
 * round. Where that delivers half as much, failures have nothing to do with it; where it delivers as much, fewer is better.
 * Needed by flaky-endpoint.test.ts.
 */
export class ConcurrencyLimit {
  #limit: number;
  #full: number;
  #failures = 0;
  #successes = 0;
  /** It had as many under way as it may have: else the limit made no difference. */
  #reached = false;
  #sinceMs: number | null = null;
  /** Deliveries per ms before the trial, and the limit then. */
  #trial: { rate: number; limit: number } | null = null;
  #rest = 0;
  #restLeft: number = concurrencyFigures.restFirst;
  #nextGoesUp = true;

  constructor(full: number) {
    this.#full = full;
    this.#limit = full;
  }

  get limit(): number {
    return this.#limit;
  }

  get isFull(): boolean {
    return this.#limit >= this.#full && this.#trial === null;
  }

  set full(full: number) {
    this.#limit = this.isFull ? full : Math.min(this.#limit, full);
    this.#full = full;
  }

  /** `underway`: how many were when one of them ended. */
  end(succeeded: boolean, underway: number, nowMs: number): void {
    this.#sinceMs ??= nowMs;
    if (succeeded) this.#successes++;
    else this.#failures++;
    if (underway >= this.#limit) this.#reached = true;
    const outcomes = this.#successes + this.#failures;
    const tookMs = nowMs - this.#sinceMs;
    if (!this.#isRoundOver(outcomes, tookMs) && !this.#fallsShort(tookMs)) return;
    this.#endRound(tookMs);
    this.#beginRound(nowMs);
  }

  /** The breaker opened; `soon` after it had closed: then what it let in by and by may have been too much. */
  interrupt(soon: boolean): void {
    if (this.#trial) this.#limit = Math.min(this.#full, this.#trial.limit);
    this.#trial = null;
    if (soon) this.#limit = Math.max(1, this.#limit >> 1);
    this.#beginRound(null);
  }

  #isRoundOver(outcomes: number, tookMs: number): boolean {
    const { roundMsMin, outcomesMin, successesMin, outcomesMax } = concurrencyFigures;
    if (tookMs < roundMsMin || outcomes < Math.max(outcomesMin, 2 * this.#limit)) return false;
    return this.#successes >= successesMin || outcomes >= outcomesMax;
  }

  /** Fewer at once are tried, and it shows by now that they do not deliver as much. */
  #fallsShort(tookMs: number): boolean {
    if (!this.#trial || this.#limit > this.#trial.limit) return false;
    const enough = this.#trial.rate * tookMs * concurrencyFigures.lessIsEnough;
    return this.#successes < enough - concurrencyFigures.missing * Math.sqrt(enough);
  }

  #beginRound(nowMs: number | null): void {
    this.#failures = 0;
    this.#successes = 0;
    this.#reached = false;
    this.#sinceMs = nowMs;
  }

  #endRound(tookMs: number): void {
    const { failureShare, lessIsEnough, moreHelps, restFirst, restMin, restMax } = concurrencyFigures;
    const rate = this.#successes / Math.max(1, tookMs);
    const clean = this.#failures < failureShare * (this.#failures + this.#successes);
    const trial = this.#trial;
    this.#trial = null;
    if (trial) {
      const more = this.#limit > trial.limit;
      const helped = rate >= trial.rate * (more ? moreHelps : lessIsEnough) || (more && clean);
      this.#rest = helped ? 0 : Math.min(restMax, Math.max(restMin, this.#rest * 2));
      this.#restLeft = this.#rest;
      if (!helped) this.#limit = Math.min(this.#full, trial.limit);
      return;
    }
    if (clean && this.isFull) {
      this.#rest = 0;
      this.#restLeft = restFirst;
      return;
    }
    if (this.#restLeft > 0 || !this.#reached) {
      this.#restLeft = Math.max(0, this.#restLeft - 1);
      return;
    }
    const up = clean || this.#limit === 1 || (this.#limit < this.#full && this.#nextGoesUp);
    this.#nextGoesUp = !up;
    const more = clean ? this.#limit + Math.max(1, this.#limit >> 2) : this.#limit * 2;
    const tried = up ? Math.min(this.#full, more) : this.#limit >> 1;
    if (tried === this.#limit || tried === 0) return;
    this.#trial = { rate, limit: this.#limit };
    this.#limit = tried;
  }
}

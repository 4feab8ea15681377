/**
 * What an attempt says about its endpoint. `neutral`: sent, but no sign of its health (a 429, an attempt that another one
 * overtook). `none`: nothing was sent.
 */
export type EndpointSign = 'success' | 'failure' | 'neutral' | 'none';

export const breakerStates = ['closed', 'open', 'half_open'] as const;
export type BreakerState = (typeof breakerStates)[number];

/** What of a breaker outlives its process. */
export interface StoredBreaker {
  /** Null while closed. */
  readonly openUntilMs: number | null;
  /** How often it opened since it was last closed. */
  readonly openings: number;
}

/** docs/concepts/limits-and-breaker.md says these to users. */
export const breakerFigures = {
  failuresInRow: 5,
  /** Of the last `window` outcomes so many failures open it as well. */
  window: 20,
  failuresInWindow: 12,
  openFirstMs: 5_000,
  openMaxMs: 60_000,
  jitter: 0.1,
  /** From this allowance on the ramp is over. */
  rampEnd: 1_000,
} as const;

/**
 * The circuit breaker of one endpoint. Closed, it lets everything start and counts outcomes. Open, nothing starts until its
 * time is over; then it is half-open and lets one start at a time: a success closes it, a failure opens it for longer.
 * After closing, starts are allowed on a ramp: one at a time at first, twice as many after each full round of successes.
 */
export class CircuitBreaker {
  #openUntilMs: number | null;
  #openings: number;
  #failuresInRow = 0;
  /** The last outcomes, a bit each, 1 for a failure. */
  #recent = 0;
  #recentCount = 0;
  #allowed = Infinity;
  #successesInRound = 0;
  #underway = 0;
  /** Changes with every opening and closing: what started before says nothing about the state after. */
  #epoch = 0;
  readonly #random: () => number;

  constructor(random: () => number, stored: StoredBreaker = { openUntilMs: null, openings: 0 }) {
    this.#random = random;
    this.#openUntilMs = stored.openUntilMs;
    this.#openings = stored.openings;
  }

  state(nowMs: number): BreakerState {
    return breakerStateAt(this.#openUntilMs, nowMs);
  }

  stored(): StoredBreaker {
    return { openUntilMs: this.#openUntilMs, openings: this.#openings };
  }

  /** Whether nothing would be lost by starting anew: closed, without failures or a ramp to remember. */
  get pristine(): boolean {
    return this.#openUntilMs === null && this.#recent === 0 && this.#allowed === Infinity;
  }

  /** Whether it counts what is underway. */
  get limited(): boolean {
    return this.#openUntilMs !== null || this.#allowed !== Infinity;
  }

  /** When a start is allowed next: 0 is now, Infinity is when one that is underway has ended. */
  opensAtMs(): number {
    if (this.#openUntilMs === null) return this.#underway < this.#allowed ? 0 : Infinity;
    return this.#underway === 0 ? this.#openUntilMs : Infinity;
  }

  mayStart(nowMs: number): boolean {
    return this.opensAtMs() <= nowMs;
  }

  /** Only when `mayStart`. Gives what `end` wants to have; each start ends once. */
  start(): number {
    this.#underway++;
    return this.#epoch;
  }

  /** Says whether the breaker changed. */
  end(started: number, sign: EndpointSign, nowMs: number): 'opened' | 'closed' | null {
    if (started !== this.#epoch) return null;
    this.#underway--;
    if (sign === 'none') return null;
    if (this.#openUntilMs === null) return this.#noteClosed(sign, nowMs);
    if (sign === 'success') return this.#close();
    return this.#open(sign === 'failure' ? this.#openings + 1 : this.#openings, nowMs);
  }

  #noteClosed(sign: 'success' | 'failure' | 'neutral', nowMs: number): 'opened' | null {
    if (sign === 'neutral') return null;
    const failed = sign === 'failure';
    const { window, failuresInRow, failuresInWindow } = breakerFigures;
    this.#recent = ((this.#recent << 1) | (failed ? 1 : 0)) & (2 ** window - 1);
    this.#recentCount = Math.min(window, this.#recentCount + 1);
    this.#failuresInRow = failed ? this.#failuresInRow + 1 : 0;
    if (!failed) {
      this.#climb();
      return null;
    }
    if (this.#allowed !== Infinity) this.#startRamp();
    const tooMany = this.#recentCount === window && bitsIn(this.#recent) >= failuresInWindow;
    return tooMany || this.#failuresInRow >= failuresInRow ? this.#open(1, nowMs) : null;
  }

  #climb(): void {
    if (this.#allowed === Infinity) return;
    if (++this.#successesInRound < this.#allowed) return;
    this.#successesInRound = 0;
    this.#allowed = this.#allowed * 2 >= breakerFigures.rampEnd ? Infinity : this.#allowed * 2;
  }

  #open(openings: number, nowMs: number): 'opened' {
    const { openFirstMs, openMaxMs, jitter } = breakerFigures;
    const ms = Math.min(openMaxMs, openFirstMs * 2 ** (openings - 1));
    this.#openings = openings;
    this.#openUntilMs = nowMs + Math.round(ms * (1 - jitter + 2 * jitter * this.#random()));
    this.#forget();
    this.#allowed = Infinity;
    return 'opened';
  }

  #close(): 'closed' {
    this.#openUntilMs = null;
    this.#openings = 0;
    this.#forget();
    this.#startRamp();
    return 'closed';
  }

  #startRamp(): void {
    this.#allowed = 1;
    this.#successesInRound = 0;
  }

  #forget(): void {
    this.#epoch++;
    this.#underway = 0;
    this.#failuresInRow = 0;
    this.#recent = 0;
    this.#recentCount = 0;
  }
}

export function breakerStateAt(openUntilMs: number | null, nowMs: number): BreakerState {
  if (openUntilMs === null) return 'closed';
  return openUntilMs > nowMs ? 'open' : 'half_open';
}

function bitsIn(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}

import { SlowStart } from './slow-start.js';

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
} as const;

/**
 * The circuit breaker of one endpoint. Closed, it lets everything start and counts outcomes. Open, nothing starts until its
 * time is over; then it is half-open and lets one start at a time: a success closes it, a failure opens it for longer.
 * When it is made, and after closing, it starts slowly: one at a time at first, then more (`SlowStart`), until as many are
 * allowed as its endpoint may have.
 */
export class CircuitBreaker {
  #openUntilMs: number | null;
  #openings: number;
  #failuresInRow = 0;
  /** The last outcomes, a bit each, 1 for a failure. */
  #recent = 0;
  #recentCount = 0;
  /** Null when any number may start. */
  #slowStart: SlowStart | null = null;
  #full: number;
  #underway = 0;
  /** Changes with every opening and closing: what started before says nothing about the state after. */
  #epoch = 0;
  readonly #random: () => number;

  /** `full`: how many its endpoint may have under way. */
  constructor(
    random: () => number,
    full: number,
    stored: StoredBreaker = { openUntilMs: null, openings: 0 },
  ) {
    this.#random = random;
    this.#full = full;
    this.#openUntilMs = stored.openUntilMs;
    this.#openings = stored.openings;
    if (stored.openUntilMs === null) this.#startSlowly('opening');
  }

  set full(full: number) {
    this.#full = full;
    this.#endSlowStart();
  }

  state(nowMs: number): BreakerState {
    return breakerStateAt(this.#openUntilMs, nowMs);
  }

  stored(): StoredBreaker {
    return { openUntilMs: this.#openUntilMs, openings: this.#openings };
  }

  /** Whether nothing would be lost by starting anew: closed, without failures or a recovery to remember. */
  get pristine(): boolean {
    return this.#openUntilMs === null && this.#recent === 0 && this.#slowStart?.after !== 'recovery';
  }

  /**
   * What its endpoint's slow start keeps back, and time may give: the `first` send after failures, or `more` than are under
   * way. Null when it keeps nothing back, or only successes help.
   */
  get waitsFor(): 'first' | 'more' | null {
    if (this.#slowStart?.after !== 'opening') return null;
    const { allowed } = this.#slowStart;
    if (allowed >= this.#full || this.#underway < allowed) return null;
    return this.#underway === 0 ? 'first' : 'more';
  }

  /** Only when it waits for them. Gives how many more may start now, `most` at most. */
  grow(most: number): number {
    if (!this.#slowStart) return 0;
    const more = this.#slowStart.grow(Math.min(most, this.#full - this.#slowStart.allowed));
    this.#endSlowStart();
    return more;
  }

  /** When a start is allowed next: 0 is now, Infinity is when one that is underway has ended. */
  opensAtMs(): number {
    if (this.#openUntilMs === null)
      return this.#underway < (this.#slowStart?.allowed ?? Infinity) ? 0 : Infinity;
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
      this.#slowStart?.succeeded();
      this.#endSlowStart();
      return null;
    }
    this.#slowStart?.failed();
    const tooMany = this.#recentCount === window && bitsIn(this.#recent) >= failuresInWindow;
    return tooMany || this.#failuresInRow >= failuresInRow ? this.#open(1, nowMs) : null;
  }

  #open(openings: number, nowMs: number): 'opened' {
    const { openFirstMs, openMaxMs, jitter } = breakerFigures;
    const ms = Math.min(openMaxMs, openFirstMs * 2 ** (openings - 1));
    this.#openings = openings;
    this.#openUntilMs = nowMs + Math.round(ms * (1 - jitter + 2 * jitter * this.#random()));
    this.#forget();
    return 'opened';
  }

  #close(): 'closed' {
    this.#openUntilMs = null;
    this.#openings = 0;
    this.#forget();
    this.#startSlowly('recovery');
    return 'closed';
  }

  #startSlowly(after: SlowStart['after']): void {
    this.#slowStart = new SlowStart(after);
    this.#endSlowStart();
  }

  #endSlowStart(): void {
    if (this.#slowStart?.isOver(this.#full)) this.#slowStart = null;
  }

  #forget(): void {
    this.#epoch++;
    this.#underway = 0;
    this.#slowStart = null;
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

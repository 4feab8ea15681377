import { type BreakerState, breakerStateAt, type HealthSignal, type StoredBreaker } from '@posthorn/domain';
import { ConcurrencyLimit } from './concurrency-limit.js';
import { FailureRun } from './failure-run.js';
import { SlowStart } from './slow-start.js';

/** docs/concepts/limits-and-breaker.md says these to users. */
export const breakerFigures = {
  /** The first `openingsOfRun` times a half-open breaker has one probe per this many failures in a row that look dead. */
  runPerProbe: 10,
  openingsOfRun: 3,
  /** When it opens again so soon after it closed, half as many may be under way afterwards. */
  soonMs: 60_000,
  openFirstMs: 5_000,
  openMaxMs: 60_000,
  jitter: 0.1,
} as const;

/**
 * The circuit breaker of one endpoint. Closed, it counts outcomes, and lets fewer start at once while failures come one
 * after another, or where fewer at once deliver as much (`ConcurrencyLimit`). It opens when there are more failures in a
 * row than chance explains (`FailureRun`): an endpoint that fails in part stays closed. Open, nothing starts until its time
 * is over; then it is half-open and lets one start at a time: a success closes it, a failure opens it for longer.
 * When it is made, and after closing, it starts slowly: one at a time at first, then more (`SlowStart`), until as many are
 * allowed as its endpoint may have.
 */
export class CircuitBreaker {
  #openUntilMs: number | null;
  #openings: number;
  /** How many probes of the half-open breaker may fail, one after another, before it opens again. */
  #probesLeft = 1;
  readonly #run = new FailureRun();
  readonly #limit: ConcurrencyLimit;
  #closedAtMs = -Infinity;
  /** Null when any number may start. */
  #slowStart: SlowStart | null = null;
  #full: number;
  /** Those that have not ended, by number in the order in which they started. */
  readonly #underway = new Set<number>();
  #started = 0;
  readonly #random: () => number;

  /** `full`: how many its endpoint may have under way. */
  constructor(
    random: () => number,
    full: number,
    stored: StoredBreaker = { openUntilMs: null, openings: 0 },
  ) {
    this.#random = random;
    this.#full = full;
    this.#limit = new ConcurrencyLimit(full);
    this.#openUntilMs = stored.openUntilMs;
    this.#openings = stored.openings;
    if (stored.openUntilMs === null) this.#startSlowly('opening');
  }

  set full(full: number) {
    this.#full = full;
    this.#limit.full = full;
    this.#endSlowStart();
  }

  state(nowMs: number): BreakerState {
    return breakerStateAt(this.#openUntilMs, nowMs);
  }

  stored(): StoredBreaker {
    return { openUntilMs: this.#openUntilMs, openings: this.#openings };
  }

  /** Whether a new breaker would be the same: closed, without failures or a recovery to remember. */
  get pristine(): boolean {
    return (
      this.#openUntilMs === null &&
      this.#run.isClean &&
      this.#limit.isFull &&
      this.#slowStart?.after !== 'recovery'
    );
  }

  /**
   * What its endpoint's slow start keeps back, and time may give: the `first` send after failures, or `more` than are under
   * way. Null when it keeps nothing back, or only successes help.
   */
  get waitsFor(): 'first' | 'more' | null {
    if (this.#slowStart?.after !== 'opening') return null;
    const { allowed } = this.#slowStart;
    if (allowed >= this.#full || this.#underway.size < allowed) return null;
    return this.#underway.size === 0 ? 'first' : 'more';
  }

  /** Only when it waits for more. Gives how many more may start now, `most` at most. */
  raiseLimit(most: number): number {
    if (!this.#slowStart) return 0;
    const more = this.#slowStart.raiseLimit(Math.min(most, this.#full - this.#slowStart.allowed));
    this.#endSlowStart();
    return more;
  }

  /** When a start is allowed next: 0 is now, Infinity is when one that is underway has ended. */
  opensAtMs(): number {
    if (this.#openUntilMs === null) return this.#underway.size < this.#allowed() ? 0 : Infinity;
    return this.#underway.size === 0 ? this.#openUntilMs : Infinity;
  }

  mayStart(nowMs: number): boolean {
    return this.opensAtMs() <= nowMs;
  }

  /** Only when `mayStart`. Gives what `end` wants to have; each start ends once. */
  start(): number {
    this.#underway.add(++this.#started);
    return this.#started;
  }

  /** Says whether the breaker changed. */
  end(started: number, kind: HealthSignal['kind'], nowMs: number): 'opened' | 'closed' | null {
    // What started before the last opening or closing says nothing about the state after.
    if (!this.#underway.delete(started)) return null;
    if (this.#openUntilMs === null) return this.#noteClosed(started, kind, nowMs);
    if (kind === 'none') return null;
    if (kind === 'success') return this.#close(started, nowMs);
    if (kind === 'failure' && --this.#probesLeft > 0) return null;
    return this.#open(kind === 'failure' ? this.#openings + 1 : this.#openings, nowMs);
  }

  /** How many may be under way while it is closed. */
  #allowed(): number {
    const started = this.#slowStart?.allowed ?? Infinity;
    if (this.#run.length === 0) return Math.min(started, this.#limit.isFull ? Infinity : this.#limit.limit);
    if (this.#run.looksDead) return 0;
    const left = Math.ceil(this.#limit.limit * (1 - this.#run.length / this.#run.deadAt));
    // A new endpoint that fails often may show a success beside the failure that makes it look dead.
    const least = this.#run.hasWorked ? 1 : 2;
    return Math.min(started, this.#limit.limit, Math.max(least, left));
  }

  #noteClosed(started: number, kind: HealthSignal['kind'], nowMs: number): 'opened' | null {
    if (kind === 'success' || kind === 'failure')
      this.#limit.end(kind === 'success', this.#underway.size + 1, nowMs);
    if (kind === 'success') {
      this.#run.addSuccess(started);
      this.#slowStart?.succeeded();
      this.#endSlowStart();
    } else if (kind === 'failure') {
      this.#run.addFailure(started);
      this.#run.measure(this.#underway);
      this.#slowStart?.failed(this.#run.isUsual);
    }
    this.#run.measure(this.#underway);
    return this.#run.looksDead && !this.#mayBeAlive() ? this.#open(1, nowMs) : null;
  }

  /** One that started after the failures has not ended, and may still succeed. Meanwhile nothing starts. */
  #mayBeAlive(): boolean {
    for (const started of this.#underway) if (started > this.#run.newest) return true;
    return false;
  }

  #open(openings: number, nowMs: number): 'opened' {
    const { openFirstMs, openMaxMs, jitter, runPerProbe, openingsOfRun } = breakerFigures;
    const ms = Math.min(openMaxMs, openFirstMs * 2 ** (openings - 1));
    if (this.#openUntilMs === null) this.#limit.interrupt(nowMs - this.#closedAtMs < breakerFigures.soonMs);
    this.#openings = openings;
    this.#probesLeft = openings > openingsOfRun ? 1 : Math.max(1, Math.floor(this.#run.deadAt / runPerProbe));
    this.#openUntilMs = nowMs + Math.round(ms * (1 - jitter + 2 * jitter * this.#random()));
    this.#forget();
    return 'opened';
  }

  #close(started: number, nowMs: number): 'closed' {
    this.#closedAtMs = nowMs;
    this.#openUntilMs = null;
    this.#openings = 0;
    this.#forget();
    this.#run.addSuccess(started);
    this.#run.measure(this.#underway);
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
    this.#underway.clear();
    this.#slowStart = null;
  }
}

import {
  type EndpointHealth,
  type HealthSignal,
  nextHealthScore,
  type RateLimit,
  pausedUntil,
  HEALTHY,
} from '@posthorn/domain';
import { CircuitBreaker } from './breaker.js';
import type { CustomerPace, PacedLane } from './customer-pace.js';
import type { GrowingLane, LaneGrowth } from './lane-growth.js';
import { Pace } from './pacing.js';

/** The right to one start. It is given back, or ends with the job that was fetched under it. */
export interface Permit {
  /** The breaker it was given by, and under which count; null: by none. */
  readonly breaker: CircuitBreaker | null;
  readonly started: number;
  readonly endpointNextMs: number | null;
  readonly customerNextMs: number | null;
}

/** Whether a rate limit counts what was fetched under it, so that it has to wait for its turn to be sent. */
export function isPaced({ endpointNextMs, customerNextMs }: Permit): boolean {
  return endpointNextMs !== null || customerNextMs !== null;
}

/** What a lane asks before it fetches. */
export interface FetchGate {
  /** Null: nothing may start now. */
  reserve(nowMs: number): Permit | null;
  /** The fetch found nothing, or failed. */
  giveBack(permit: Permit): void;
  /** When it is worth asking again: now or earlier, later, or Infinity: `onChange` will tell. */
  opensAtMs(nowMs: number): number;
  /** It may be open earlier than it last said. */
  onChange: () => void;
}

export const alwaysOpen: FetchGate = {
  reserve: () => freePermit,
  giveBack: () => undefined,
  opensAtMs: () => 0,
  onChange: () => undefined,
};
const freePermit: Permit = { breaker: null, started: 0, endpointNextMs: null, customerNextMs: null };

export interface LaneGateContext {
  readonly customerPace: CustomerPace;
  readonly growth: LaneGrowth;
  readonly random: () => number;
  /** Keeps the times of the next sends where the next owner finds them. */
  readonly keepPace: (endpointNextMs: number | null, customerNextMs: number | null, nowMs: number) => void;
  /** `transition`: more than the score has changed. */
  readonly onHealth: (health: EndpointHealth, transition: boolean) => void;
}

/**
 * Everything that says "not now" for one endpoint, in the one place where it costs nothing: before its lane fetches. What
 * is not fetched waits in BullMQ as before; no attempt is spent and nothing is written. It is made of the endpoint's
 * breaker, the pause it asked for, its pace and its customer's.
 */
export class LaneGate implements FetchGate, PacedLane, GrowingLane {
  onChange: () => void = () => undefined;
  #breaker: CircuitBreaker;
  #pausedUntilMs: number | null;
  #draining: boolean;
  #score: number;
  #scoreTold: number;
  #pace: Pace | null = null;
  #maxInFlight: number;
  readonly #context: LaneGateContext;

  constructor(context: LaneGateContext, maxInFlight: number, stored: EndpointHealth = HEALTHY) {
    this.#context = context;
    this.#maxInFlight = maxInFlight;
    this.#breaker = new CircuitBreaker(context.random, maxInFlight, stored);
    this.#pausedUntilMs = stored.pausedUntilMs;
    this.#draining = stored.draining;
    this.#score = stored.score;
    this.#scoreTold = Math.round(stored.score);
  }

  get draining(): boolean {
    return this.#draining;
  }

  get health(): EndpointHealth {
    return {
      ...this.#breaker.stored(),
      pausedUntilMs: this.#pausedUntilMs,
      draining: this.#draining,
      score: this.#score,
    };
  }

  /** Whether nothing would be lost if it were made anew from what was stored. */
  isForgettable(nowMs: number): boolean {
    return (
      this.#breaker.pristine &&
      this.#score === HEALTHY.score &&
      !this.#draining &&
      (this.#pausedUntilMs ?? 0) <= nowMs &&
      (this.#pace?.sends.nextMs ?? 0) <= nowMs
    );
  }

  set maxInFlight(maxInFlight: number) {
    this.#maxInFlight = maxInFlight;
    this.#breaker.full = maxInFlight;
    this.onChange();
  }

  /** `nextMs`: when the next start is allowed, as an earlier owner left it. */
  setRateLimit(limit: RateLimit | null, nowMs: number, nextMs = 0): void {
    if (limit === null) this.#pace = null;
    else if (this.#pace) this.#pace.setLimit(limit, nowMs);
    else this.#pace = new Pace(limit, nextMs, nowMs);
    this.onChange();
  }

  opensAtMs(nowMs: number): number {
    const ownMs = Math.max(
      this.#pausedUntilMs ?? 0,
      this.#breaker.opensAtMs(),
      this.#pace?.takeUps.nextMs ?? 0,
    );
    return ownMs <= nowMs && this.#context.customerPace.isWaiting(this) ? Infinity : ownMs;
  }

  reserve(nowMs: number): Permit | null {
    const { customerPace } = this.#context;
    if (this.#pausedUntilMs !== null && nowMs < this.#pausedUntilMs) return null;
    if (!this.#breaker.mayStart(nowMs) && !this.#growsAtOnce(nowMs)) return null;
    if (this.#pace && nowMs < this.#pace.takeUps.nextMs) return null;
    if (!customerPace.mayStart(this, nowMs)) return null;
    const started = this.#breaker.start();
    const endpointNextMs = this.#pace?.takeUps.start(nowMs) ?? null;
    const customerNextMs = customerPace.start(nowMs);
    return { breaker: this.#breaker, started, endpointNextMs, customerNextMs };
  }

  giveBack({ breaker, started, endpointNextMs, customerNextMs }: Permit): void {
    const nowMs = Date.now();
    breaker?.end(started, 'none', nowMs);
    if (endpointNextMs !== null) this.#pace?.takeUps.giveBack(endpointNextMs, nowMs);
    if (customerNextMs !== null) this.#context.customerPace.giveBack(customerNextMs, nowMs);
  }

  /** When what was fetched under the permit may be sent: now or earlier, or later. */
  sendsAtMs({ endpointNextMs, customerNextMs }: Permit): number {
    return Math.max(
      (endpointNextMs !== null && this.#pace?.sends.nextMs) || 0,
      customerNextMs === null ? 0 : this.#context.customerPace.sendsAtMs(),
    );
  }

  /** It is being sent. Only from `sendsAtMs` on. */
  noteSend(nowMs: number): void {
    const { customerPace, keepPace } = this.#context;
    const endpointNextMs = this.#pace?.sends.start(nowMs) ?? null;
    const customerNextMs = customerPace.noteSend(nowMs);
    if (endpointNextMs !== null || customerNextMs !== null) keepPace(endpointNextMs, customerNextMs, nowMs);
  }

  /** A job has ended: what it said about the endpoint, and the pause that the endpoint asked for. */
  end({ breaker, started }: Permit, sign: HealthSignal['kind'], slowDownMs = 0): void {
    // It started before the endpoint became another one.
    if (breaker !== this.#breaker) return;
    const nowMs = Date.now();
    const change = this.#breaker.end(started, sign, nowMs);
    if (change) this.#draining = change === 'closed';
    const untilMs = slowDownMs > 0 ? pausedUntil(slowDownMs, nowMs) : 0;
    const slower = untilMs > (this.#pausedUntilMs ?? 0);
    if (slower) this.#pausedUntilMs = untilMs;
    if (sign === 'success' || sign === 'failure') this.#score = scoreAfter(this.#score, sign === 'success');
    if (change !== null || slower) this.#tell(true);
    else if (Math.round(this.#score) !== this.#scoreTold) this.#tell(false);
  }

  grow(most: number): number {
    if (!this.#breaker.waitsFor) return 0;
    const more = this.#breaker.grow(most);
    this.onChange();
    return more;
  }

  /** Everything that waited for a retry time when the endpoint recovered has been brought forward. */
  drained(): void {
    if (!this.#draining) return;
    this.#draining = false;
    this.#tell(true);
  }

  /** The endpoint is another one by now (its URL changed, it was paused and resumed): it gets a fresh start. */
  reset(): void {
    this.#breaker = new CircuitBreaker(this.#context.random, this.#maxInFlight);
    this.#pausedUntilMs = null;
    this.#draining = false;
    this.#score = HEALTHY.score;
    this.#tell(true);
    this.onChange();
  }

  turnCame(): void {
    this.onChange();
  }

  /** Its lane has closed. */
  leave(): void {
    this.onChange = () => undefined;
    this.#context.growth.leave(this);
    this.#context.customerPace.leave(this);
  }

  /** Otherwise it waits for leave to have more under way, if that is what it waits for. */
  #growsAtOnce(nowMs: number): boolean {
    const { growth } = this.#context;
    const { waitsFor } = this.#breaker;
    if (waitsFor === 'more') growth.waitForMore(this, nowMs);
    if (waitsFor !== 'first') return false;
    if (growth.takeFirst()) return this.#breaker.grow(1) > 0;
    growth.waitForFirst(this);
    return false;
  }

  #tell(transition: boolean): void {
    this.#scoreTold = Math.round(this.#score);
    this.#context.onHealth(this.health, transition);
  }
}

/** So near to 100 that it says the same is 100 again: the endpoint needs no remembering then. */
function scoreAfter(score: number, delivered: boolean): number {
  const next = nextHealthScore(score, delivered);
  return next > 99.5 ? HEALTHY.score : next;
}

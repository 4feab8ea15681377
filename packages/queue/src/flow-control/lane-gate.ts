import type { HealthSignal, RateLimit } from '@posthorn/domain';
import type { LaneLimits } from '../dispatcher-options.js';
import type { CustomerPace, RateLimitedLane } from './customer-pace.js';
import type { LaneHealth } from './lane-health.js';
import type { PaceStore } from './pace-store.js';
import { Pace } from './pacing.js';
import type { Permit, SlotSupplier } from './slot-supplier.js';
import type { SlowStartingLane, SlowStartScheduler } from './slow-start-scheduler.js';
import { waitForRateLimit } from './wait-for-rate-limit.js';

/** What a gate needs of its customer. */
export interface GateOwner {
  readonly customerId: string;
  readonly pace: CustomerPace;
  waitForSlot(signal: AbortSignal): Promise<void> | undefined;
  releaseSlot(): void;
  /** A lane has begun to use slots, or uses none any more: the customer's budget is split again. */
  demandChanged(): void;
  /** The lane of the gate has closed. */
  closed(gate: LaneGate): void;
}

export interface LaneGateContext {
  readonly slowStart: SlowStartScheduler;
  readonly paceStore: PaceStore;
}

/**
 * Says "not now" for one endpoint, before its lane fetches: by the lane's share of the customer's budget, the endpoint's
 * breaker, the pause it asked for, its rate limit and its customer's.
 */
export class LaneGate implements SlotSupplier, RateLimitedLane, SlowStartingLane {
  onAvailable: () => void = () => undefined;
  #pace: Pace | null = null;
  #reserved = 0;
  #share: number;
  #limits: LaneLimits;

  constructor(
    private readonly context: LaneGateContext,
    private readonly owner: GateOwner,
    readonly lane: string,
    readonly health: LaneHealth,
    limits: LaneLimits,
  ) {
    this.#limits = limits;
    this.#share = limits.endpointMaxInFlight;
  }

  get maxInFlight(): number {
    return this.#limits.endpointMaxInFlight;
  }

  /** Whether it uses slots. */
  get busy(): boolean {
    return this.#reserved > 0;
  }

  /** How much of its customer's budget the lane may use. */
  set share(share: number) {
    const before = this.#share;
    this.#share = share;
    if (share <= before || this.#reserved < before) return;
    // It was not refused by its breaker, but by the share, and so does not wait for permission yet.
    if (this.health.breaker.waitsFor === 'more') this.context.slowStart.waitForMore(this, Date.now());
    this.onAvailable();
  }

  applyLimits(limits: LaneLimits, nowMs: number): void {
    const before = this.#limits;
    this.#limits = limits;
    const rateLimit = limits.endpointRateLimit ?? null;
    if (differ(before.endpointRateLimit, rateLimit)) this.setRateLimit(rateLimit, nowMs);
    if (before.endpointMaxInFlight !== limits.endpointMaxInFlight) {
      this.health.maxInFlight = limits.endpointMaxInFlight;
      this.onAvailable();
    }
    if (this.health.startEpoch(epochOf(limits))) this.onAvailable();
  }

  /** `nextMs`: when the next send is allowed, as an earlier owner left it. */
  setRateLimit(limit: RateLimit | null, nowMs: number, nextMs = 0): void {
    if (limit === null) this.#pace = null;
    else if (this.#pace) this.#pace.setLimit(limit, nowMs);
    else this.#pace = new Pace(limit, nextMs, nowMs);
    this.onAvailable();
  }

  /** Whether nothing would be lost if it were made again from what was stored. */
  isForgettable(nowMs: number): boolean {
    return this.health.isForgettable(nowMs) && (this.#pace?.send.nextMs ?? 0) <= nowMs;
  }

  reserve(nowMs: number): Permit | null {
    const { pace } = this.owner;
    const { breaker } = this.health;
    if (this.#reserved >= this.#share || nowMs < this.health.pausedUntilMs) return null;
    if (!breaker.mayStart(nowMs) && !this.#raisesAtOnce(nowMs)) return null;
    if (this.#pace && nowMs < this.#pace.fetch.nextMs) return null;
    if (!pace.mayStart(this, nowMs)) return null;
    const started = breaker.start();
    const endpointNextMs = this.#pace?.fetch.start(nowMs) ?? null;
    const customerNextMs = pace.start(nowMs);
    if (++this.#reserved === 1) this.owner.demandChanged();
    return { breaker, started, endpointNextMs, customerNextMs, hasSlot: false };
  }

  availableAtMs(nowMs: number): number {
    if (this.#reserved >= this.#share) return Infinity;
    const { breaker, pausedUntilMs } = this.health;
    const ownMs = Math.max(pausedUntilMs, breaker.opensAtMs(), this.#pace?.fetch.nextMs ?? 0);
    return ownMs <= nowMs && this.owner.pace.isWaiting(this) ? Infinity : ownMs;
  }

  giveBack(permit: Permit): void {
    const { breaker, started, endpointNextMs, customerNextMs } = permit;
    const nowMs = Date.now();
    breaker.end(started, 'none', nowMs);
    if (endpointNextMs !== null) this.#pace?.fetch.giveBack(endpointNextMs, nowMs);
    if (customerNextMs !== null) this.owner.pace.giveBack(customerNextMs, nowMs);
    this.#end();
  }

  waitForSlot(permit: Permit, signal: AbortSignal): Promise<void> | undefined {
    const slot = this.owner.waitForSlot(signal);
    if (slot)
      return slot.then(() => {
        permit.hasSlot = true;
      });
    permit.hasSlot = true;
    return undefined;
  }

  waitForRateLimit(permit: Permit, signal: AbortSignal): Promise<void> {
    return waitForRateLimit(this, permit, signal);
  }

  /** When what was fetched under the permit may be sent: now or earlier, or later. */
  sendsAtMs({ endpointNextMs, customerNextMs }: Permit): number {
    return Math.max(
      (endpointNextMs !== null && this.#pace?.send.nextMs) || 0,
      customerNextMs === null ? 0 : this.owner.pace.sendsAtMs(),
    );
  }

  /** A send begins. Only from `sendsAtMs` on. */
  noteSend(nowMs: number): void {
    const { paceStore } = this.context;
    const { customerId, pace } = this.owner;
    paceStore.saveLane(this.lane, this.#pace?.send.start(nowMs) ?? null, nowMs);
    paceStore.saveCustomer(customerId, pace.noteSend(nowMs), nowMs);
  }

  release(permit: Permit, signal: HealthSignal): void {
    if (permit.hasSlot) this.owner.releaseSlot();
    this.health.end(permit.breaker, permit.started, signal, Date.now());
    this.#end();
  }

  raiseLimit(most: number): number {
    const { breaker } = this.health;
    if (!breaker.waitsFor) return 0;
    const more = breaker.raiseLimit(most);
    this.onAvailable();
    return more;
  }

  onGranted(): void {
    this.onAvailable();
  }

  close(): void {
    this.onAvailable = () => undefined;
    this.context.slowStart.leave(this);
    this.owner.pace.leave(this);
    this.owner.closed(this);
  }

  #end(): void {
    if (--this.#reserved === 0) this.owner.demandChanged();
  }

  /** Otherwise it waits for permission to have more under way, if that is what it waits for. */
  #raisesAtOnce(nowMs: number): boolean {
    const { slowStart } = this.context;
    const { breaker } = this.health;
    const { waitsFor } = breaker;
    if (waitsFor === 'more') slowStart.waitForMore(this, nowMs);
    if (waitsFor !== 'first') return false;
    if (slowStart.takeFirst()) return breaker.raiseLimit(1) > 0;
    slowStart.waitForFirst(this);
    return false;
  }
}

export function differ(one: RateLimit | null | undefined, other: RateLimit | null | undefined): boolean {
  return one?.max !== other?.max || one?.perSeconds !== other?.perSeconds;
}

export function epochOf({ healthEpoch = 0 }: LaneLimits): number {
  return healthEpoch;
}

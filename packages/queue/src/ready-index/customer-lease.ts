import { DelayedTally, delayedMaxDefault } from '../lanes/delayed-tally.js';
import type { LaneLimits } from '../dispatcher-options.js';
import { EndpointGates, type EndpointGatesContext } from '../flow-control/endpoint-gates.js';
import type { SlotHolder } from '../flow-control/in-flight-slots.js';
import type { Squeezable } from '../flow-control/cpu-squeeze.js';
import { Lane, type LaneContext } from '../lanes/lane.js';
import { parseLaneName } from '../lanes/lane-name.js';
import type { LaneOpenings, Opening } from '../flow-control/lane-openings.js';
import { laneShares } from '../flow-control/lane-shares.js';
import type { ClaimedCustomer, LaneState } from './ready-index.js';

export interface LeaseContext extends LaneContext, EndpointGatesContext {
  readonly laneLimits: (customerId: string, endpointId: string) => Promise<LaneLimits>;
  readonly openings: LaneOpenings;
  readonly idleReleaseMs: number;
  readonly limitsRefreshMs: number;
  readonly delayedMax?: number | undefined;
  readonly countDelayed: (customerId: string) => Promise<number>;
}

/** What is due within this is waited for with an open lane; a customer with nothing due so soon may be released. */
export const keepMs = 5000;

/** A customer that this process owns: its open lanes, and when those that are not open have something due. */
export class CustomerLease implements SlotHolder, Squeezable {
  readonly customerId: string;
  fence: string;
  starts = 0;
  limit = customerMaxInFlightDefault;
  squeezedTo = Infinity;
  /** The lease is lost or given up: nothing opens, what runs may end. */
  ended = false;
  /** Somebody else owns the customer, or may claim it. */
  lost = false;
  readonly lanes = new Map<string, Lane>();
  readonly #context: LeaseContext;
  readonly #delayed: DelayedTally;
  readonly #gates: EndpointGates;
  readonly #opening = new Map<string, Opening>();
  readonly #closing = new Map<string, { lane: Lane; done: Promise<void> }>();
  readonly #closed = new Set<string>();
  readonly #dueAtMs = new Map<string, number>();
  /** Lanes that are due and not open, as their limits or health could not be had, and when these are asked for again. */
  readonly #askAgainAtMs = new Map<string, number>();
  /** Lanes to be checked for stalled jobs when they open. */
  readonly #suspects = new Set<string>();
  #missed: Map<string, number> | null = null;
  #rebalancing = false;
  /** Since it was claimed, more than one lane was open at a time. */
  #hadSeveral = false;

  constructor(context: LeaseContext, { customerId, fence }: ClaimedCustomer) {
    this.#context = context;
    this.customerId = customerId;
    this.fence = fence;
    this.#gates = new EndpointGates(context, customerId);
    const { countDelayed, delayedMax = delayedMaxDefault, logger } = context;
    this.#delayed = new DelayedTally({ count: () => countDelayed(customerId), delayedMax, logger });
  }

  get slotsMax(): number {
    return Math.min(this.limit, this.squeezedTo);
  }

  get inFlight(): number {
    return this.#context.slots.usedBy(this);
  }

  squeeze(inFlightMax: number): void {
    if (inFlightMax === this.squeezedTo) return;
    this.squeezedTo = inFlightMax;
    this.#context.slots.admit(this);
    this.laneChanged();
  }

  /** Whether a retry is to wait in Redis, rather than in Postgres alone. */
  takesRetry(delayMs: number): boolean {
    return this.#delayed.takes(delayMs);
  }

  /** A lease that had ended here was claimed again before its last lane closed, or before its release was answered. */
  renewWith(fence: string): void {
    this.fence = fence;
    this.ended = false;
    this.lost = false;
    this.#missed = null;
  }

  /** What a script read from the lanes: opens those with something due now or soon. */
  see(states: readonly LaneState[]): void {
    for (const { lane: name, dueInMs, active } of states) {
      // Jobs that are active though they do not run here: their worker may be gone.
      if (active > (this.lanes.get(name)?.inFlight ?? 0)) this.#suspect(name);
      this.announced(name, dueInMs);
    }
  }

  announced(name: string, dueInMs: number): void {
    if (this.#missed) this.#missed.set(name, Math.min(dueInMs, this.#missed.get(name) ?? Infinity));
    if (this.ended || this.#missed) return;
    const dueAtMs = Date.now() + dueInMs;
    const lane = this.lanes.get(name);
    if (lane && dueInMs <= 0) lane.announce();
    else if (lane) lane.noteDueAt(dueAtMs);
    else if (dueInMs <= keepMs) this.#open(name);
    else this.#dueAtMs.set(name, Math.min(dueAtMs, this.#dueAtMs.get(name) ?? Infinity));
  }

  /** Opens what is due soon, closes what is cold, asks for the limits again. */
  tick(nowMs: number): void {
    if (this.ended) return;
    for (const [name, dueAtMs] of this.#dueAtMs) if (dueAtMs - nowMs <= keepMs) this.#open(name);
    for (const [name, atMs] of this.#askAgainAtMs) {
      if (atMs > nowMs) continue;
      this.#askAgainAtMs.delete(name);
      this.#open(name);
    }
    for (const lane of this.lanes.values()) {
      if (lane.isCold(nowMs, this.#context.idleReleaseMs, keepMs)) this.#close(lane);
      else if (nowMs - lane.limitsAtMs >= this.#context.limitsRefreshMs) void this.#refreshLimits(lane);
    }
  }

  /** Nothing is open, and nothing is known to be due soon. */
  get quiet(): boolean {
    const toOpen = this.ended ? 0 : this.#askAgainAtMs.size;
    return this.lanes.size + this.#opening.size + this.#closing.size + toOpen === 0;
  }

  /** Lanes closed since the last call, whose next due time is to be read from their keys. */
  takeClosed(): string[] {
    const closed = [...this.#closed];
    this.#closed.clear();
    return closed;
  }

  /** Announcements that arrive while a release is under way are kept: the release may find that the customer must stay. */
  beginRelease(): void {
    this.#missed = new Map();
  }

  get releasing(): boolean {
    return this.#missed !== null;
  }

  keep(states: readonly LaneState[]): void {
    const missed = this.#missed;
    if (!missed) return;
    this.#missed = null;
    this.#dueAtMs.clear();
    this.see(states);
    for (const [name, dueInMs] of missed) this.announced(name, dueInMs);
  }

  /** Fetches nothing more; resolves when the last job has ended. Jobs that wait for a place go back at once. */
  async end(): Promise<void> {
    this.ended = true;
    this.#dueAtMs.clear();
    for (const [name, opening] of this.#opening)
      if (this.#context.openings.remove(opening)) this.#opening.delete(name);
    for (const lane of this.lanes.values()) this.#close(lane);
    this.#gates.close();
    await Promise.all(Array.from(this.#closing.values(), ({ done }) => done));
  }

  /** The customer was released, or its lease is lost: ends what was not ended before. */
  lose(): Promise<void> {
    this.lost = true;
    this.#missed = null;
    return this.end();
  }

  abortRunning(reason: unknown): void {
    for (const { lane } of this.#closing.values()) lane.abortRunning(reason);
  }

  /** A lane became busy or idle: the budget is split anew, once for all that changed in this turn. */
  laneChanged(): void {
    if (this.#rebalancing) return;
    this.#rebalancing = true;
    setImmediate(() => {
      this.#rebalancing = false;
      this.#rebalance();
    });
  }

  #open(name: string): void {
    // A lane that is closing is read from its keys as soon as it has closed.
    if (this.ended || this.lanes.has(name) || this.#opening.has(name) || this.#closing.has(name)) return;
    if (this.#askAgainAtMs.has(name)) return;
    this.#dueAtMs.delete(name);
    this.#closed.delete(name);
    const opening = { open: () => this.#openNow(name) };
    this.#opening.set(name, opening);
    this.#context.openings.add(opening);
  }

  async #openNow(name: string): Promise<void> {
    const limits = await this.#limitsOf(name);
    const gate = limits && (await this.#gates.open(name, limits));
    this.#opening.delete(name);
    if (this.ended) return;
    if (!limits || !gate) {
      // Without them it would begin unpaced, and with nothing held against its endpoint. One that is not ours stays shut.
      if (parseLaneName(name)) this.#askAgainAtMs.set(name, Date.now() + askAgainMs);
      return;
    }
    this.#applyLimits(limits);
    const lane = new Lane(this.#context, name, this, limits, gate);
    this.lanes.set(name, lane);
    if (this.#suspects.delete(name)) lane.checkStalled();
    if (this.lanes.size > 1) {
      this.#hadSeveral = true;
      this.laneChanged();
    }
    await lane.opened;
  }

  #suspect(name: string): void {
    const lane = this.lanes.get(name);
    if (lane) lane.checkStalled();
    else this.#suspects.add(name);
  }

  #close(lane: Lane): void {
    this.lanes.delete(lane.name);
    const done = lane.close().then(() => {
      this.#closing.delete(lane.name);
      this.#closed.add(lane.name);
      this.#gates.closed(lane.name);
    });
    this.#closing.set(lane.name, { lane, done });
  }

  async #refreshLimits(lane: Lane): Promise<void> {
    lane.limitsAtMs = Date.now();
    const limits = await this.#limitsOf(lane.name);
    if (!limits) return;
    const { endpointMaxInFlight } = lane.limits;
    lane.limits = limits;
    this.#gates.applyLimits(lane.name, limits);
    const { customerMaxInFlight = this.limit } = limits;
    if (limits.endpointMaxInFlight === endpointMaxInFlight && customerMaxInFlight === this.limit) return;
    this.#applyLimits(limits);
    this.laneChanged();
  }

  /** Null when the name is not one of ours, or the limits cannot be had just now. */
  async #limitsOf(name: string): Promise<LaneLimits | null> {
    const { logger, laneLimits } = this.#context;
    const ids = parseLaneName(name);
    if (!ids) {
      logger.error('lane.unknown_name', { lane: name });
      return null;
    }
    try {
      return await laneLimits(ids.customerId, ids.endpointId);
    } catch (error) {
      logger.warn('lane.limits_unknown', { error, lane: name });
      return null;
    }
  }

  #applyLimits({ customerMaxInFlight = this.limit }: LaneLimits): void {
    this.limit = customerMaxInFlight;
    this.#context.slots.admit(this);
  }

  #rebalance(): void {
    const lanes = [...this.lanes.values()];
    // Alone, a lane has all its endpoint may have, also while it has nothing to do. One that was not alone may get company.
    const alone = lanes.length === 1;
    const demands = lanes.map(({ limits, busy }) => ({
      endpointMax: limits.endpointMaxInFlight,
      busy: busy || alone,
    }));
    if (alone && this.#hadSeveral) demands.push(idleLane);
    const shares = laneShares(this.slotsMax, demands);
    lanes.forEach((lane, i) => lane.setConcurrency(shares[i] ?? 1));
  }
}

const idleLane = { endpointMax: 1, busy: false };
const customerMaxInFlightDefault = 20;
const askAgainMs = 1000;

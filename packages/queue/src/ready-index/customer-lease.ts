import { CustomerFlow, type FlowContext } from '../flow-control/customer-flow.js';
import { CustomerLanes, type CustomerLanesContext } from '../lanes/customer-lanes.js';
import { DelayedTally, delayedMaxDefault } from '../lanes/delayed-tally.js';
import type { ClaimedCustomer, LaneState } from './ready-index.js';

export interface LeaseContext extends CustomerLanesContext, FlowContext {
  readonly delayedMax?: number | undefined;
  readonly countDelayed: (customerId: string) => Promise<number>;
}

/** What is due within this is waited for with an open lane; a customer with nothing due so soon may be released. */
export const dueSoonMs = 5000;

type LeaseState =
  | { readonly kind: 'owned' }
  /**
   * A release is under way. Announcements that arrive meanwhile are collected, because the release may find that the
   * customer must stay; null: the lease had ended before, and opens nothing.
   */
  | { readonly kind: 'releasing'; readonly missed: Map<string, number> | null }
  /** Nothing opens, what runs may end. */
  | { readonly kind: 'ended' }
  /** Another worker owns the customer, or may claim it. */
  | { readonly kind: 'lost' };

/** A customer that this process owns: its lanes, and when those that are not open have something due. */
export class CustomerLease {
  readonly customerId: string;
  fence: string;
  readonly flow: CustomerFlow;
  readonly #lanes: CustomerLanes;
  readonly #dueAtMs = new Map<string, number>();
  #state: LeaseState = owned;

  constructor(context: LeaseContext, { customerId, fence }: ClaimedCustomer) {
    this.customerId = customerId;
    this.fence = fence;
    this.flow = new CustomerFlow(context, customerId);
    const { countDelayed, delayedMax = delayedMaxDefault, logger } = context;
    const delayed = new DelayedTally({ count: () => countDelayed(customerId), delayedMax, logger });
    this.#lanes = new CustomerLanes(context, this.flow, delayed);
  }

  get state(): LeaseState['kind'] {
    return this.#state.kind;
  }

  /** Whether lanes may open, now or when a release is refused. */
  get isActive(): boolean {
    return this.#state.kind === 'owned' || (this.#state.kind === 'releasing' && this.#state.missed !== null);
  }

  get lanes() {
    return this.#lanes.open;
  }

  get isIdle(): boolean {
    return this.#lanes.isIdle;
  }

  /** A lease that had ended here was claimed again before its last lane closed, or before its release was answered. */
  renewWith(fence: string): void {
    this.fence = fence;
    this.#state = owned;
    this.#lanes.resume();
  }

  /** What a script read from the lanes: opens those with something due now or soon. */
  applyLaneStates(states: readonly LaneState[]): void {
    for (const { lane: name, dueInMs, active } of states) {
      if (active > (this.lanes.get(name)?.inFlight ?? 0)) this.#lanes.suspect(name);
      this.onAnnouncement(name, dueInMs);
    }
  }

  onAnnouncement(name: string, dueInMs: number): void {
    if (this.#state.kind === 'releasing') {
      const { missed } = this.#state;
      missed?.set(name, Math.min(dueInMs, missed.get(name) ?? Infinity));
    }
    if (this.#state.kind !== 'owned') return;
    const dueAtMs = Date.now() + dueInMs;
    const lane = this.lanes.get(name);
    if (lane && dueInMs <= 0) lane.announce();
    else if (lane) lane.noteDueAt(dueAtMs);
    else if (dueInMs <= dueSoonMs) this.#open(name);
    else this.#dueAtMs.set(name, Math.min(dueAtMs, this.#dueAtMs.get(name) ?? Infinity));
  }

  /** Opens what is due soon, closes what is cold, reads limits again. */
  tick(nowMs: number): void {
    if (!this.isActive) return;
    for (const [name, dueAtMs] of this.#dueAtMs) if (dueAtMs - nowMs <= dueSoonMs) this.#open(name);
    this.#lanes.tick(nowMs, dueSoonMs);
  }

  takeClosed(): string[] {
    return this.#lanes.takeClosed();
  }

  beginRelease(): void {
    if (this.#state.kind === 'lost') return;
    this.#state = { kind: 'releasing', missed: this.isActive ? new Map() : null };
  }

  /** The customer stays, with these lanes. */
  onReleaseRefused(states: readonly LaneState[]): void {
    if (this.#state.kind !== 'releasing') return;
    const { missed } = this.#state;
    this.#state = missed ? owned : ended;
    if (!missed) return;
    this.#dueAtMs.clear();
    this.applyLaneStates(states);
    for (const [name, dueInMs] of missed) this.onAnnouncement(name, dueInMs);
  }

  /** Opens nothing more; resolves when the last job has ended. Jobs that wait for a slot go back at once. */
  async end(): Promise<void> {
    if (this.#state.kind === 'releasing') this.#state = { kind: 'releasing', missed: null };
    else if (this.#state.kind === 'owned') this.#state = ended;
    this.#dueAtMs.clear();
    await this.#lanes.end();
  }

  /** The customer was released, or its lease is lost: ends what was not ended before. */
  onLost(): Promise<void> {
    this.#state = lost;
    return this.end();
  }

  abortRunning(reason: unknown): void {
    this.#lanes.abortRunning(reason);
  }

  #open(name: string): void {
    if (this.#lanes.request(name)) this.#dueAtMs.delete(name);
  }
}

const owned: LeaseState = { kind: 'owned' };
const ended: LeaseState = { kind: 'ended' };
const lost: LeaseState = { kind: 'lost' };

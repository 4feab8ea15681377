import { encodeId, type EndpointHealth, HEALTHY } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import type { HealthStore, LaneLimits } from '../dispatcher-options.js';
import type { CpuLimited } from './cpu-limit.js';
import { CustomerPace } from './customer-pace.js';
import type { InFlightSlots, SlotHolder } from './in-flight-slots.js';
import { differ, epochOf, type GateOwner, LaneGate, type LaneGateContext } from './lane-gate.js';
import { LaneHealth } from './lane-health.js';
import { laneShares } from './lane-shares.js';

export interface FlowContext extends LaneGateContext {
  readonly slots: InFlightSlots<SlotHolder>;
  readonly health?: HealthStore | undefined;
  readonly logger: Logger;
  readonly random: () => number;
}

/**
 * How much one customer may send, for as long as this process owns it: its budget in flight, its rate limit, and the gates
 * of its lanes. A lane that closes and opens again continues with its gate; a gate with nothing to remember is forgotten.
 */
export class CustomerFlow implements SlotHolder, CpuLimited, GateOwner {
  readonly pace = new CustomerPace();
  starts = 0;
  limit = customerMaxInFlightDefault;
  cpuLimit = Infinity;
  readonly #context: FlowContext;
  readonly #gates = new Map<string, LaneGate>();
  /** Gates of lanes that are open. */
  readonly #open = new Set<LaneGate>();
  #customerNextMs: Promise<number> | null = null;
  #closings = 0;
  #splitting = false;
  /** Since the customer was claimed, more than one lane was open at a time. */
  #hadSeveral = false;

  constructor(
    context: FlowContext,
    readonly customerId: string,
  ) {
    this.#context = context;
  }

  get slotsMax(): number {
    return Math.min(this.limit, this.cpuLimit);
  }

  get inFlight(): number {
    return this.#context.slots.usedBy(this);
  }

  limitByCpu(inFlightMax: number): void {
    if (inFlightMax === this.cpuLimit) return;
    this.cpuLimit = inFlightMax;
    this.#context.slots.admit(this);
    this.demandChanged();
  }

  /**
   * The gate of a lane that opens, with the endpoint's health as it was stored here or by an earlier owner. Null: the health
   * cannot be read just now, or another worker may have had the customer meanwhile.
   */
  async openLane(lane: string, endpointId: string, limits: LaneLimits): Promise<LaneGate | null> {
    const closings = this.#closings;
    const gate = this.#gates.get(lane) ?? (await this.#make(lane, endpointId, limits));
    if (!gate || closings !== this.#closings) return null;
    this.#gates.set(lane, gate);
    this.#open.add(gate);
    if (this.#open.size > 1) this.#hadSeveral = true;
    this.applyLimits(lane, limits);
    gate.share = Math.max(1, Math.min(gate.maxInFlight, this.slotsMax));
    this.demandChanged();
    gate.health.drainWhenRecovered();
    return gate;
  }

  applyLimits(lane: string, limits: LaneLimits): void {
    const gate = this.#gates.get(lane);
    if (!gate) return;
    const nowMs = Date.now();
    const { customerRateLimit, customerMaxInFlight = this.limit } = limits;
    if (customerRateLimit !== undefined && differ(this.pace.limit, customerRateLimit)) {
      this.pace.setLimit(customerRateLimit, nowMs);
    }
    const changed = gate.maxInFlight !== limits.endpointMaxInFlight || customerMaxInFlight !== this.limit;
    gate.applyLimits(limits, nowMs);
    if (!changed) return;
    this.limit = customerMaxInFlight;
    this.#context.slots.admit(this);
    this.demandChanged();
  }

  /** The customer is another worker's: what is known here will be out of date. */
  close(): void {
    for (const { health } of this.#gates.values()) health.close();
    this.#gates.clear();
    this.#closings++;
    this.#customerNextMs = null;
    this.pace.close();
  }

  waitForSlot(signal: AbortSignal): Promise<void> | undefined {
    const slot = this.#context.slots.take(this, signal);
    if (slot)
      return slot.then(() => {
        this.starts++;
      });
    this.starts++;
    return undefined;
  }

  releaseSlot(): void {
    this.#context.slots.give(this);
  }

  /** The budget is split once for all lanes that changed at the same time. */
  demandChanged(): void {
    if (this.#splitting) return;
    this.#splitting = true;
    setImmediate(() => {
      this.#splitting = false;
      this.#split();
    });
  }

  closed(gate: LaneGate): void {
    this.#open.delete(gate);
    if (this.#gates.get(gate.lane) === gate && gate.isForgettable(Date.now())) this.#gates.delete(gate.lane);
    this.demandChanged();
  }

  #split(): void {
    const gates = [...this.#open];
    // Alone, a lane has all its endpoint may have, also while it has nothing to do. One that was not alone may get company.
    const alone = gates.length === 1;
    const demands = gates.map(({ maxInFlight, busy }) => ({ endpointMax: maxInFlight, busy: busy || alone }));
    if (alone && this.#hadSeveral) demands.push(idleLane);
    const shares = laneShares(this.slotsMax, demands);
    gates.forEach((gate, i) => {
      gate.share = shares[i] ?? 1;
    });
  }

  async #make(lane: string, endpointId: string, limits: LaneLimits): Promise<LaneGate | null> {
    const { health: store, random, paceStore, logger } = this.#context;
    const { customerId } = this;
    const [stored, endpointNextMs, customerNextMs] = await Promise.all([
      this.#loadHealth(endpointId, epochOf(limits)),
      limits.endpointRateLimit ? paceStore.readLane(lane) : 0,
      limits.customerRateLimit ? (this.#customerNextMs ??= paceStore.readCustomer(customerId)) : 0,
    ]);
    if (stored === null) return null;
    const { endpointMaxInFlight: maxInFlight } = limits;
    const health = new LaneHealth(
      { customerId, endpointId, maxInFlight, epoch: epochOf(limits), random, store, logger },
      stored,
    );
    const gate = new LaneGate(this.#context, this, lane, health, limits);
    const nowMs = Date.now();
    gate.setRateLimit(limits.endpointRateLimit ?? null, nowMs, endpointNextMs);
    if (limits.customerRateLimit !== undefined) {
      this.pace.setLimit(limits.customerRateLimit, nowMs, customerNextMs);
    }
    return gate;
  }

  /** Null when it cannot be read just now. */
  async #loadHealth(endpointId: string, epoch: number): Promise<EndpointHealth | null> {
    try {
      const stored = await this.#context.health?.load(endpointId);
      return stored?.epoch === epoch ? stored.health : HEALTHY;
    } catch (error) {
      this.#context.logger.warn('lane.health_unknown', { error, endpoint_id: encodeId('ep', endpointId) });
      return null;
    }
  }
}

const idleLane = { endpointMax: 1, busy: false };
const customerMaxInFlightDefault = 20;

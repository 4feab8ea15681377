import { type RateLimit, HEALTHY } from '@posthorn/domain';
import type { Redis } from 'ioredis';
import type { Logger } from '@posthorn/runtime';
import { CustomerPace } from './customer-pace.js';
import type { HealthKeeper, LaneLimits } from '../dispatcher-options.js';
import { LaneGate } from './lane-gate.js';
import type { LaneGrowth } from './lane-growth.js';
import { parseLaneName } from '../lanes/lane-name.js';

export interface EndpointGatesContext {
  readonly redis: Redis;
  readonly prefix: string;
  readonly logger: Logger;
  readonly random: () => number;
  readonly health?: HealthKeeper | undefined;
  readonly growth: LaneGrowth;
}

interface KnownGate {
  readonly gate: LaneGate;
  readonly endpointId: string;
  limits: LaneLimits;
  drain: AbortController | null;
}

/**
 * The gates of one customer's lanes, for as long as it is owned here: a lane that closes and opens again goes on as it was.
 * A gate with nothing to remember is forgotten with its lane.
 */
export class EndpointGates {
  readonly customerPace = new CustomerPace();
  readonly #context: EndpointGatesContext;
  readonly #known = new Map<string, KnownGate>();
  #customerNextMs: Promise<number> | null = null;
  #closings = 0;

  constructor(
    context: EndpointGatesContext,
    private readonly customerId: string,
  ) {
    this.#context = context;
  }

  /**
   * The gate of a lane that opens, as the endpoint's health was kept here or by an earlier owner. Null: the health cannot be
   * read just now, or somebody else may have had the customer meanwhile.
   */
  async open(lane: string, limits: LaneLimits): Promise<LaneGate | null> {
    const closings = this.#closings;
    const known = this.#known.get(lane) ?? (await this.#make(lane, limits));
    if (!known || closings !== this.#closings) return null;
    this.#known.set(lane, known);
    this.applyLimits(lane, limits);
    this.#drainWhenRecovered(lane, known);
    return known.gate;
  }

  applyLimits(lane: string, limits: LaneLimits): void {
    const known = this.#known.get(lane);
    if (!known) return;
    const before = known.limits;
    known.limits = limits;
    const nowMs = Date.now();
    const { customerRateLimit } = limits;
    if (customerRateLimit !== undefined && differ(this.customerPace.limit, customerRateLimit)) {
      this.customerPace.setLimit(customerRateLimit, nowMs);
    }
    if (differ(before.endpointRateLimit, limits.endpointRateLimit)) {
      known.gate.setRateLimit(limits.endpointRateLimit ?? null, nowMs);
    }
    if (before.endpointMaxInFlight !== limits.endpointMaxInFlight) {
      known.gate.maxInFlight = limits.endpointMaxInFlight;
    }
    if (epochOf(before) !== epochOf(limits)) known.gate.reset();
  }

  closed(lane: string): void {
    if (this.#known.get(lane)?.gate.isForgettable(Date.now())) this.#known.delete(lane);
  }

  /** The customer is another one's: whatever is known here will be out of date. */
  close(): void {
    for (const { drain } of this.#known.values()) drain?.abort();
    this.#known.clear();
    this.#closings++;
    this.#customerNextMs = null;
    this.customerPace.close();
  }

  async #make(lane: string, limits: LaneLimits): Promise<KnownGate | null> {
    const { health: keeper, random, growth } = this.#context;
    const { endpointId = '' } = parseLaneName(lane) ?? {};
    const [kept, endpointNextMs, customerNextMs] = await Promise.all([
      this.#loadHealth(endpointId),
      limits.endpointRateLimit ? this.#readPace(lanePaceKey(this.#context.prefix, lane)) : 0,
      limits.customerRateLimit ? this.#readCustomerPace() : 0,
    ]);
    if (kept === 'unknown') return null;
    const gate: LaneGate = new LaneGate(
      {
        customerPace: this.customerPace,
        growth,
        random,
        keepPace: (endpoint, customer, atMs) => {
          this.#keep(lanePaceKey(this.#context.prefix, lane), endpoint, atMs);
          this.#keep(customerPaceKey(this.#context.prefix, this.customerId), customer, atMs);
        },
        onHealth: (health, transition) => {
          const epoch = epochOf(known.limits);
          keeper?.note({ customerId: this.customerId, endpointId, epoch, health }, transition);
          if (transition) this.#drainWhenRecovered(lane, known);
        },
      },
      limits.endpointMaxInFlight,
      kept?.epoch === epochOf(limits) ? kept.health : HEALTHY,
    );
    const known: KnownGate = { gate, endpointId, limits, drain: null };
    const nowMs = Date.now();
    gate.setRateLimit(limits.endpointRateLimit ?? null, nowMs, endpointNextMs);
    if (limits.customerRateLimit !== undefined) {
      this.customerPace.setLimit(limits.customerRateLimit, nowMs, customerNextMs);
    }
    return known;
  }

  async #loadHealth(endpointId: string): Promise<Awaited<ReturnType<HealthKeeper['load']>> | 'unknown'> {
    try {
      return (await this.#context.health?.load(endpointId)) ?? null;
    } catch (error) {
      this.#context.logger.warn('lane.health_unknown', { error, endpoint_id: endpointId });
      return 'unknown';
    }
  }

  /** When an earlier owner would have allowed the next start. Unknown costs one early start at most. */
  async #readPace(key: string): Promise<number> {
    return Number((await this.#context.redis.get(key).catch(() => null)) ?? 0);
  }

  #readCustomerPace(): Promise<number> {
    this.#customerNextMs ??= this.#readPace(customerPaceKey(this.#context.prefix, this.customerId));
    return this.#customerNextMs;
  }

  /** On the connection that ends the job: whoever finds it gone finds this too. It expires by itself. */
  #keep(key: string, nextMs: number | null, nowMs: number): void {
    if (nextMs === null || nextMs - nowMs < worthKeepingMs) return;
    this.#context.redis
      .set(key, Math.ceil(nextMs).toString(), 'PX', Math.ceil(nextMs - nowMs))
      .catch(() => undefined);
  }

  #drainWhenRecovered(lane: string, known: KnownGate): void {
    if (this.#known.get(lane) !== known) return;
    const { gate, endpointId } = known;
    const { health: keeper, logger } = this.#context;
    if (!gate.draining) {
      known.drain?.abort();
      known.drain = null;
      return;
    }
    if (known.drain || !keeper) return;
    const controller = new AbortController();
    known.drain = controller;
    keeper.drain({ customerId: this.customerId, endpointId }, controller.signal).then(
      () => {
        if (known.drain !== controller) return;
        known.drain = null;
        gate.drained();
      },
      (error: unknown) => {
        if (known.drain === controller) known.drain = null;
        if (!controller.signal.aborted) logger.warn('lane.drain_failed', { error, endpoint_id: endpointId });
      },
    );
  }
}

/** No other worker takes a customer over faster than this. */
const worthKeepingMs = 10;

function differ(one: RateLimit | null | undefined, other: RateLimit | null | undefined): boolean {
  return one?.max !== other?.max || one?.perSeconds !== other?.perSeconds;
}

function epochOf({ healthEpoch = 0 }: LaneLimits): number {
  return healthEpoch;
}

function lanePaceKey(prefix: string, lane: string): string {
  return `${prefix}:${lane}:pace`;
}

function customerPaceKey(prefix: string, customerId: string): string {
  return `${prefix}:index:pace:${customerId}`;
}

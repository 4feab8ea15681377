import type { LaneLimits } from '../dispatcher-options.js';
import type { CustomerFlow } from '../flow-control/customer-flow.js';
import type { LaneOpenings, Opening } from '../flow-control/lane-openings.js';
import type { DelayedTally } from './delayed-tally.js';
import { Lane, type LaneContext } from './lane.js';
import { parseLaneName } from './lane-name.js';

export interface CustomerLanesContext extends LaneContext {
  readonly laneLimits: (customerId: string, endpointId: string) => Promise<LaneLimits>;
  readonly openings: LaneOpenings;
  readonly idleReleaseMs: number;
  readonly limitsRefreshMs: number;
}

/** The open lanes of one customer, and those that open or close. */
export class CustomerLanes {
  readonly open = new Map<string, Lane>();
  readonly #context: CustomerLanesContext;
  readonly #flow: CustomerFlow;
  readonly #delayed: DelayedTally;
  readonly #opening = new Map<string, Opening>();
  readonly #closing = new Map<string, { lane: Lane; done: Promise<void> }>();
  readonly #closed = new Set<string>();
  /** Lanes that are due and not open, as their limits or health could not be read, and when these are read again. */
  readonly #retryAtMs = new Map<string, number>();
  /** Lanes to be checked for stalled jobs when they open. */
  readonly #suspects = new Set<string>();
  #ended = false;

  constructor(context: CustomerLanesContext, flow: CustomerFlow, delayed: DelayedTally) {
    this.#context = context;
    this.#flow = flow;
    this.#delayed = delayed;
  }

  /** Nothing is open, and nothing has to be opened. */
  get isIdle(): boolean {
    const toOpen = this.#ended ? 0 : this.#retryAtMs.size;
    return this.open.size + this.#opening.size + this.#closing.size + toOpen === 0;
  }

  /** Whether the lane opens now. One that is closing is read from its keys as soon as it has closed. */
  request(name: string): boolean {
    if (this.#ended || this.open.has(name) || this.#opening.has(name) || this.#closing.has(name))
      return false;
    if (this.#retryAtMs.has(name)) return false;
    this.#closed.delete(name);
    const opening = { open: () => this.#openNow(name) };
    this.#opening.set(name, opening);
    this.#context.openings.add(opening);
    return true;
  }

  /** Jobs are active in the lane that do not run here: their worker may be gone. */
  suspect(name: string): void {
    const lane = this.open.get(name);
    if (lane) lane.checkStalled();
    else this.#suspects.add(name);
  }

  /** Closes what is cold and has nothing due within `quietMs`, and reads limits again. */
  tick(nowMs: number, quietMs: number): void {
    for (const [name, atMs] of this.#retryAtMs) {
      if (atMs > nowMs) continue;
      this.#retryAtMs.delete(name);
      this.request(name);
    }
    for (const lane of this.open.values()) {
      if (lane.isCold(nowMs, this.#context.idleReleaseMs, quietMs)) this.#close(lane);
      else if (nowMs - lane.limitsAtMs >= this.#context.limitsRefreshMs) void this.#refreshLimits(lane);
    }
  }

  /** Lanes closed since the last call, whose next due time has to be read from their keys. */
  takeClosed(): string[] {
    const closed = [...this.#closed];
    this.#closed.clear();
    return closed;
  }

  /** Opens nothing more; resolves when the last job has ended. Jobs that wait for a slot go back at once. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const [name, opening] of this.#opening)
      if (this.#context.openings.remove(opening)) this.#opening.delete(name);
    for (const lane of this.open.values()) this.#close(lane);
    this.#flow.close();
    await Promise.all(Array.from(this.#closing.values(), ({ done }) => done));
  }

  /** Lanes may open again. */
  resume(): void {
    this.#ended = false;
  }

  /** Only after `end`. */
  abortRunning(reason: unknown): void {
    for (const { lane } of this.#closing.values()) lane.abortRunning(reason);
  }

  async #openNow(name: string): Promise<void> {
    const ids = parseLaneName(name);
    const limits = await this.#limitsOf(name);
    const mayOpen = ids && limits && !this.#ended;
    const supplier = mayOpen ? await this.#flow.openLane(name, ids.endpointId, limits) : null;
    this.#opening.delete(name);
    if (this.#ended) {
      supplier?.close();
      return;
    }
    if (!supplier) {
      // Without them it would begin unpaced, and with nothing held against its endpoint. One that is not ours stays closed.
      if (ids) this.#retryAtMs.set(name, Date.now() + retryMs);
      return;
    }
    const { customerId } = this.#flow;
    const lane = new Lane(this.#context, { name, customerId, supplier, delayed: this.#delayed });
    this.open.set(name, lane);
    if (this.#suspects.delete(name)) lane.checkStalled();
    await lane.opened;
  }

  #close(lane: Lane): void {
    this.open.delete(lane.name);
    const done = lane.close().then(() => {
      this.#closing.delete(lane.name);
      this.#closed.add(lane.name);
    });
    this.#closing.set(lane.name, { lane, done });
  }

  async #refreshLimits(lane: Lane): Promise<void> {
    lane.limitsAtMs = Date.now();
    const limits = await this.#limitsOf(lane.name);
    if (limits) this.#flow.applyLimits(lane.name, limits);
  }

  /** Null when the name is not one of ours, or the limits cannot be read just now. */
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
}

const retryMs = 1000;

/** A lane that starts slowly and waits for permission to have more under way. */
export interface SlowStartingLane {
  /** It may have more under way, `most` more at most. Gives how many; 0 when it does not wait any more. */
  raiseLimit(most: number): number;
}

/** docs/concepts/limits-and-breaker.md says these to users. */
export const slowStartFigures = {
  /** After this long without an answer a lane may have twice as many under way. */
  patienceMs: 200,
  /** In this process, over all lanes, while it has little else to do. Starting a send that hangs costs half a millisecond. */
  startsPerSecond: 500,
  /** While it is busy, of lanes that have something under way. */
  startsPerSecondBusy: 50,
  /** One lane at a time, so that a large one does not stall the others. */
  mostAtOnce: 25,
} as const;

const tickMs = 20;
const startsPerTick = (slowStartFigures.startsPerSecond * tickMs) / 1000;
const startsPerTickBusy = (slowStartFigures.startsPerSecondBusy * tickMs) / 1000;
/** Of the time, how much the event loop works: up to the one it has little to do, from the other on it is busy. */
const [freeUntil, busyFrom] = [0.2, 0.7];

/**
 * Sends to endpoints that have not answered yet, or have failed, beyond the first of each lane. Endpoints that answer let
 * their lanes have more under way by their successes; here the others get what they may have, one lane within a second or
 * two, and a thousand whose endpoints all hang one after another, so that there is room between them in the event loop.
 * Needed by slow-start.integration.test.ts ("starts no more sends a second to endpoints that hang").
 */
export class SlowStartScheduler {
  /** Lanes with nothing under way come before those with something. */
  readonly #first = new Set<SlowStartingLane>();
  readonly #more = new Map<SlowStartingLane, number>();
  #timer: NodeJS.Timeout | undefined;
  #tickAtMs = 0;
  #room = startsPerTick;
  #roomForMore = startsPerTick;

  /** `utilization`: how much of the time since its last call the event loop worked, 0 to 1. */
  constructor(private readonly utilization: () => number) {}

  /** One start for a lane with nothing under way, if there is room at once. */
  takeFirst(): boolean {
    if (this.#first.size > 0 || this.#room <= 0) return false;
    this.#room--;
    this.#tickIn(tickMs);
    return true;
  }

  waitForFirst(lane: SlowStartingLane): void {
    this.#more.delete(lane);
    this.#first.add(lane);
    this.#tickIn(tickMs);
  }

  waitForMore(lane: SlowStartingLane, nowMs: number): void {
    if (this.#more.has(lane)) return;
    this.#more.set(lane, nowMs + slowStartFigures.patienceMs);
    this.#tickIn(slowStartFigures.patienceMs);
  }

  leave(lane: SlowStartingLane): void {
    this.#first.delete(lane);
    this.#more.delete(lane);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#first.clear();
    this.#more.clear();
  }

  #tickIn(ms: number): void {
    const atMs = Date.now() + ms;
    if (this.#timer && this.#tickAtMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#tickAtMs = atMs;
    this.#timer = setTimeout(() => this.#tick(), ms);
  }

  #tick(): void {
    this.#timer = undefined;
    // Not by the clock: when the loop is late, there is less room in it.
    this.#room = Math.min(startsPerTick, this.#room + startsPerTick);
    this.#roomForMore = Math.min(startsPerTick, this.#roomForMore + startsAt(this.utilization()));
    const nowMs = Date.now();
    for (const lane of this.#first) {
      if (this.#room <= 0) break;
      this.#first.delete(lane);
      this.#room -= lane.raiseLimit(1);
    }
    for (const [lane, atMs] of this.#more) {
      if (this.#room <= 0 || this.#roomForMore <= 0 || atMs > nowMs) break;
      this.#more.delete(lane);
      const more = lane.raiseLimit(slowStartFigures.mostAtOnce);
      this.#room -= more;
      this.#roomForMore -= more;
    }
    if (this.#first.size + this.#more.size > 0 || this.#room < startsPerTick) this.#tickIn(tickMs);
  }
}

function startsAt(utilization: number): number {
  const free = Math.min(1, Math.max(0, (busyFrom - utilization) / (busyFrom - freeUntil)));
  return startsPerTickBusy + free * (startsPerTick - startsPerTickBusy);
}

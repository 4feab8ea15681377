import type { RateLimit } from '@posthorn/domain';
import { Pace } from './pacing.js';

/** A lane in its customer's queue for starts. */
export interface RateLimitedLane {
  /** It may start now, and the others wait until it has. */
  onGranted(): void;
}

/** How long a lane may take to fetch after it was granted a start, before the next lane is. */
const grantMs = 50;

/**
 * The rate limit of a customer, shared by its lanes: starts are granted in the order in which they began to wait, so that
 * none is left out, and one start wakes one lane however many wait.
 * Needed by lane-gate.integration.test.ts ("fetches no more than the rate limit of a customer lets through").
 */
export class CustomerPace {
  #limit: RateLimit | null = null;
  #pace: Pace | null = null;
  #granted: RateLimitedLane | null = null;
  #timer: NodeJS.Timeout | undefined;
  readonly #waiting = new Set<RateLimitedLane>();

  get limit(): RateLimit | null {
    return this.#limit;
  }

  get limited(): boolean {
    return this.#pace !== null;
  }

  /** `nextMs`: when the next start is allowed, as an earlier owner left it, also one that had the customer in between. */
  setLimit(limit: RateLimit | null, nowMs: number, nextMs = 0): void {
    this.#limit = limit;
    if (limit === null) this.#pace = null;
    else if (this.#pace) this.#pace.setLimit(limit, nowMs, nextMs);
    else this.#pace = new Pace(limit, nextMs, nowMs);
    this.#arm(nowMs);
  }

  /** Whether the lane waits for a start; `onGranted` is called. */
  isWaiting(lane: RateLimitedLane): boolean {
    return this.#waiting.has(lane);
  }

  /** False: the lane waits now. */
  mayStart(lane: RateLimitedLane, nowMs: number): boolean {
    if (this.#pace === null) return true;
    const open = this.#pace.fetch.nextMs <= nowMs;
    if (open && (this.#granted === lane || (this.#granted === null && this.#waiting.size === 0))) return true;
    if (this.#granted === lane) this.#granted = null;
    this.#waiting.add(lane);
    this.#arm(nowMs);
    return false;
  }

  /** Only when `mayStart`. Gives the time of the next start; null without a limit. */
  start(nowMs: number): number | null {
    if (this.#pace === null) return null;
    const nextMs = this.#pace.fetch.start(nowMs);
    this.#granted = null;
    this.#arm(nowMs);
    return nextMs;
  }

  giveBack(next: number, nowMs: number): void {
    this.#pace?.fetch.giveBack(next, nowMs);
    this.#arm(nowMs);
  }

  /** When the next send of the customer is allowed: now or earlier, or later. */
  sendsAtMs(): number {
    return this.#pace?.send.nextMs ?? 0;
  }

  /** Only from `sendsAtMs` on. Gives the time of the next; null without a limit. */
  noteSend(nowMs: number): number | null {
    return this.#pace?.send.start(nowMs) ?? null;
  }

  /** The lane has closed. */
  leave(lane: RateLimitedLane): void {
    this.#waiting.delete(lane);
    if (this.#granted !== lane) return;
    this.#granted = null;
    this.#arm(Date.now());
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    this.#granted = null;
  }

  #arm(nowMs: number): void {
    clearTimeout(this.#timer);
    if (this.#waiting.size === 0) return;
    const opensInMs = (this.#pace?.fetch.nextMs ?? 0) - nowMs;
    const waitMs = Math.max(opensInMs, this.#granted ? grantMs : 0);
    this.#timer = setTimeout(() => this.#grantNext(), Math.ceil(Math.max(0, waitMs)));
  }

  #grantNext(): void {
    const nowMs = Date.now();
    const [lane] = this.#waiting;
    if (!lane) return;
    // What was granted before was not used.
    this.#granted = null;
    // A timer may fire a little early.
    if ((this.#pace?.fetch.nextMs ?? 0) > nowMs) {
      this.#arm(nowMs);
      return;
    }
    this.#waiting.delete(lane);
    this.#granted = lane;
    this.#arm(nowMs);
    lane.onGranted();
  }
}

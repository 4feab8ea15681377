import type { RateLimit } from '@posthorn/domain';
import { Pace } from './pacing.js';

/** One lane's place in its customer's queue for starts. */
export interface PacedLane {
  /** Its turn has come: it may start now, and the others wait until it has. */
  turnCame(): void;
}

/** How long a lane whose turn came may take to fetch before the turn is the next one's. */
const turnMs = 50;

/**
 * The rate limit of a customer, shared by its lanes: they take turns in the order in which they began to wait, so that none
 * is left out, and one start wakes one lane however many wait.
 */
export class CustomerPace {
  #limit: RateLimit | null = null;
  #pace: Pace | null = null;
  #turn: PacedLane | null = null;
  #timer: NodeJS.Timeout | undefined;
  readonly #waiting = new Set<PacedLane>();

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

  /** Whether the lane waits for its turn; it will be told. */
  isWaiting(lane: PacedLane): boolean {
    return this.#waiting.has(lane);
  }

  /** False: the lane waits now. */
  mayStart(lane: PacedLane, nowMs: number): boolean {
    if (this.#pace === null) return true;
    const open = this.#pace.takeUps.nextMs <= nowMs;
    if (open && (this.#turn === lane || (this.#turn === null && this.#waiting.size === 0))) return true;
    if (this.#turn === lane) this.#turn = null;
    this.#waiting.add(lane);
    this.#arm(nowMs);
    return false;
  }

  /** Only when `mayStart`. Gives the time of the next start; null without a limit. */
  start(nowMs: number): number | null {
    if (this.#pace === null) return null;
    const nextMs = this.#pace.takeUps.start(nowMs);
    this.#turn = null;
    this.#arm(nowMs);
    return nextMs;
  }

  giveBack(next: number, nowMs: number): void {
    this.#pace?.takeUps.giveBack(next, nowMs);
    this.#arm(nowMs);
  }

  /** When the next send of the customer is allowed: now or earlier, or later. */
  sendsAtMs(): number {
    return this.#pace?.sends.nextMs ?? 0;
  }

  /** Only from `sendsAtMs` on. Gives the time of the next; null without a limit. */
  noteSend(nowMs: number): number | null {
    return this.#pace?.sends.start(nowMs) ?? null;
  }

  /** The lane has closed. */
  leave(lane: PacedLane): void {
    this.#waiting.delete(lane);
    if (this.#turn !== lane) return;
    this.#turn = null;
    this.#arm(Date.now());
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    this.#turn = null;
  }

  #arm(nowMs: number): void {
    clearTimeout(this.#timer);
    if (this.#waiting.size === 0) return;
    const opensInMs = (this.#pace?.takeUps.nextMs ?? 0) - nowMs;
    const waitMs = Math.max(opensInMs, this.#turn ? turnMs : 0);
    this.#timer = setTimeout(() => this.#nextTurn(), Math.ceil(Math.max(0, waitMs)));
  }

  #nextTurn(): void {
    const nowMs = Date.now();
    const [lane] = this.#waiting;
    if (!lane) return;
    // Its turn is over, unused.
    this.#turn = null;
    // A timer may fire a little early.
    if ((this.#pace?.takeUps.nextMs ?? 0) > nowMs) {
      this.#arm(nowMs);
      return;
    }
    this.#waiting.delete(lane);
    this.#turn = lane;
    this.#arm(nowMs);
    lane.turnCame();
  }
}

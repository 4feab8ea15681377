import type { HealthSignal } from '@posthorn/domain';
import type { CircuitBreaker } from './breaker.js';

/** The right to fetch one job of a lane and to send it. It ends once, by `giveBack` or `release`. */
export interface Permit {
  /** The breaker that allowed it, which knows it by the number `started`. */
  readonly breaker: CircuitBreaker;
  readonly started: number;
  /** When the rate limits allow the next fetch after this one; null without a limit. */
  readonly endpointNextMs: number | null;
  readonly customerNextMs: number | null;
  /** It has one of its customer's slots in flight. */
  hasSlot: boolean;
}

/**
 * All that a lane knows of flow control. A lane reserves before it fetches, because waiting costs nothing there: what is not
 * fetched stays in BullMQ, no attempt is spent and nothing is written.
 */
export interface SlotSupplier {
  /** Null: nothing may be fetched now. */
  reserve(nowMs: number): Permit | null;
  /** When to reserve again: now or earlier, later, or Infinity when only `onAvailable` says so. */
  availableAtMs(nowMs: number): number;
  /** Set by the lane. Called when a slot may be available earlier than `availableAtMs` last said. */
  onAvailable: () => void;
  /** The fetch found nothing, or failed. */
  giveBack(permit: Permit): void;
  /** Undefined when the job may begin at once; else resolves when it may, and rejects with the signal's reason. */
  waitForSlot(permit: Permit, signal: AbortSignal): Promise<void> | undefined;
  /** Resolves when the rate limits allow the send, which counts as begun then. Rejects with what the job has to throw. */
  waitForRateLimit(permit: Permit, signal: AbortSignal): Promise<void>;
  /** The job has ended. */
  release(permit: Permit, signal: HealthSignal): void;
  /** The lane has closed. */
  close(): void;
}

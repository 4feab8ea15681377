import {
  encodeId,
  type EndpointHealth,
  type HealthSignal,
  HEALTHY,
  nextHealthScore,
  pausedUntil,
} from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import type { HealthStore } from '../dispatcher-options.js';
import { CircuitBreaker } from './breaker.js';

export interface LaneHealthOptions {
  readonly customerId: string;
  readonly endpointId: string;
  /** How many sends the endpoint may have under way. */
  readonly maxInFlight: number;
  readonly epoch: number;
  readonly random: () => number;
  readonly store?: HealthStore | undefined;
  readonly logger: Logger;
}

/** What one endpoint's attempts have shown: its breaker, the pause it asked for, its score, and the drain after a recovery. */
export class LaneHealth {
  #breaker: CircuitBreaker;
  #pausedUntilMs: number | null;
  #draining: boolean;
  #score: number;
  #savedScore: number;
  #epoch: number;
  #maxInFlight: number;
  #drain: AbortController | null = null;
  #closed = false;
  readonly #options: LaneHealthOptions;

  constructor(options: LaneHealthOptions, stored: EndpointHealth = HEALTHY) {
    this.#options = options;
    this.#epoch = options.epoch;
    this.#maxInFlight = options.maxInFlight;
    this.#breaker = new CircuitBreaker(options.random, options.maxInFlight, stored);
    this.#pausedUntilMs = stored.pausedUntilMs;
    this.#draining = stored.draining;
    this.#score = stored.score;
    this.#savedScore = Math.round(stored.score);
  }

  get breaker(): CircuitBreaker {
    return this.#breaker;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs ?? 0;
  }

  set maxInFlight(maxInFlight: number) {
    this.#maxInFlight = maxInFlight;
    this.#breaker.full = maxInFlight;
  }

  /** Whether nothing would be lost if it were made again from what was stored. */
  isForgettable(nowMs: number): boolean {
    return (
      this.#breaker.pristine &&
      this.#score === HEALTHY.score &&
      !this.#draining &&
      this.pausedUntilMs <= nowMs
    );
  }

  /** A job that started under the breaker has ended. */
  end(breaker: CircuitBreaker, started: number, { kind, pauseMs }: HealthSignal, nowMs: number): void {
    // It started before the endpoint became another one.
    if (breaker !== this.#breaker) return;
    const change = breaker.end(started, kind, nowMs);
    if (change) this.#draining = change === 'closed';
    const untilMs = pauseMs > 0 ? pausedUntil(pauseMs, nowMs) : 0;
    const longer = untilMs > this.pausedUntilMs;
    if (longer) this.#pausedUntilMs = untilMs;
    if (kind === 'success' || kind === 'failure') this.#score = scoreAfter(this.#score, kind === 'success');
    if (change !== null || longer) this.#save(true);
    else if (Math.round(this.#score) !== this.#savedScore) this.#save(false);
  }

  /** In another epoch the endpoint is another one (its URL changed, it was resumed): it starts as a new one. */
  startEpoch(epoch: number): boolean {
    if (epoch === this.#epoch) return false;
    this.#epoch = epoch;
    this.#breaker = new CircuitBreaker(this.#options.random, this.#maxInFlight);
    this.#pausedUntilMs = null;
    this.#draining = false;
    this.#score = HEALTHY.score;
    this.#save(true);
    return true;
  }

  /** Begins to make due what waits for a retry time when the endpoint has recovered; stops when it has failed again. */
  drainWhenRecovered(): void {
    const { store, customerId, endpointId, logger } = this.#options;
    if (!this.#draining) {
      this.#drain?.abort();
      this.#drain = null;
    }
    if (!this.#draining || this.#closed || this.#drain || !store) return;
    const drain = new AbortController();
    this.#drain = drain;
    store.drain({ customerId, endpointId }, drain.signal).then(
      () => {
        if (this.#drain !== drain) return;
        this.#drain = null;
        this.#draining = false;
        this.#save(true);
      },
      (error: unknown) => {
        if (this.#drain === drain) this.#drain = null;
        if (drain.signal.aborted) return;
        logger.warn('lane.drain_failed', { error, endpoint_id: encodeId('ep', endpointId) });
      },
    );
  }

  /** The customer is another worker's: nothing is drained here any more. */
  close(): void {
    this.#closed = true;
    this.#drain?.abort();
  }

  #save(transition: boolean): void {
    const { store, customerId, endpointId } = this.#options;
    this.#savedScore = Math.round(this.#score);
    const health: EndpointHealth = {
      ...this.#breaker.stored(),
      pausedUntilMs: this.#pausedUntilMs,
      draining: this.#draining,
      score: this.#score,
    };
    store?.save({ customerId, endpointId, epoch: this.#epoch, health }, transition);
    if (transition) this.drainWhenRecovered();
  }
}

/** So near to 100 that it shows as 100 is 100 again: the endpoint need not be remembered then. */
function scoreAfter(score: number, delivered: boolean): number {
  const next = nextHealthScore(score, delivered);
  return next > 99.5 ? HEALTHY.score : next;
}

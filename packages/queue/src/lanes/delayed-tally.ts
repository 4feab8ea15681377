import type { Logger } from '@posthorn/runtime';

/** A retry further away than this need not be in Redis: the sweep looks ahead and enqueues it in time. */
const farRetryMs = 15 * 60_000;
/** Delayed jobs of one customer; beyond them a far retry waits in Postgres only. */
export const delayedMaxDefault = 10_000;
const recountAfterMs = 30_000;

export interface DelayedTallyOptions {
  /** Reads from Redis how many jobs of the customer are delayed. */
  count: () => Promise<number>;
  delayedMax: number;
  logger: Logger;
}

/**
 * How many jobs of a customer are delayed in Redis, as its owner knows: counted there when it has its first far retry, plus
 * what the owner has added since. So it is too high at times, never too low for what passes here; at the limit it is
 * counted again, every 30 s at most. A customer without far retries costs nothing.
 * Needed by far-retries.integration.test.ts.
 */
export class DelayedTally {
  readonly #options: DelayedTallyOptions;
  #tally = 0;
  #countedAtMs = -Infinity;
  #counting = false;

  constructor(options: DelayedTallyOptions) {
    this.#options = options;
  }

  /** Whether a retry is to wait in Redis; if so, it is counted. */
  takes(delayMs: number): boolean {
    if (delayMs <= 0) return true;
    const isFar = delayMs > farRetryMs;
    const isFull = this.#tally >= this.#options.delayedMax;
    if (isFar && (isFull || this.#countedAtMs === -Infinity)) this.#recount();
    if (isFar && isFull) return false;
    this.#tally++;
    return true;
  }

  #recount(): void {
    const nowMs = performance.now();
    if (this.#counting || nowMs - this.#countedAtMs < recountAfterMs) return;
    this.#counting = true;
    const before = this.#tally;
    this.#options
      .count()
      .then(
        (delayed) => {
          // What was added while Redis counted may be missing there.
          this.#tally = delayed + (this.#tally - before);
          this.#countedAtMs = nowMs;
        },
        (error: unknown) => this.#options.logger.debug('queue.count_failed', { error }),
      )
      .finally(() => {
        this.#counting = false;
      });
  }
}

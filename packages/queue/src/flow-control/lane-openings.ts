/** A lane that waits to be opened. */
export interface Opening {
  /** Resolves when it has looked for its first job, or has closed. */
  open(): Promise<void>;
}

/** Enough that Postgres and Redis get many questions at once. */
const atOnceMax = 50;

/**
 * Lanes open some at a time. A worker that takes over a thousand customers opens a thousand lanes: a second of work, and
 * which of them are in a hurry is not known. So the longest waiting and the newest alternate: what comes due meanwhile is
 * soon served, and no lane waits for ever.
 * Needed by slow-start.integration.test.ts ("opens the lane of the customer that comes last").
 */
export class LaneOpenings {
  readonly #waiting: Opening[] = [];
  #running = 0;
  #newestIsNext = false;

  add(opening: Opening): void {
    this.#waiting.push(opening);
    this.#openSome();
  }

  /** False when it is open already, or about to be. */
  remove(opening: Opening): boolean {
    const index = this.#waiting.indexOf(opening);
    if (index >= 0) this.#waiting.splice(index, 1);
    return index >= 0;
  }

  #openSome(): void {
    while (this.#running < atOnceMax && this.#waiting.length > 0) {
      const next = this.#newestIsNext ? this.#waiting.pop() : this.#waiting.shift();
      this.#newestIsNext = !this.#newestIsNext;
      this.#running++;
      void next?.open().finally(() => {
        this.#running--;
        this.#openSome();
      });
    }
  }
}

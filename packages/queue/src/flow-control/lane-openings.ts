/** A lane that is to be opened. */
export interface Opening {
  /** Resolves when it has looked for its first job, or has closed. */
  open(): Promise<void>;
}

/** Enough for Postgres and Redis to be asked for many at once. */
const atOnceMax = 50;

/**
 * Lanes open some at a time. A worker that takes over a thousand customers opens a thousand lanes: a second of work, and
 * nobody knows whose of them are in a hurry. So the longest waiting and the newest are taken in turn: what comes due
 * meanwhile is soon served, and nobody waits for ever.
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

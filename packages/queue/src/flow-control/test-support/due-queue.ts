interface Entry<T> {
  dueMs: number;
  /** Of those that are due at the same time the one that was added first comes first. */
  added: number;
  value: T;
}

/** What is due first comes first. A binary heap: an endpoint that fails has tens of thousands of retries waiting. */
export class DueQueue<T> {
  #heap: Entry<T>[] = [];
  #added = 0;

  /** Infinity when it is empty. */
  get nextDueMs(): number {
    return this.#heap[0]?.dueMs ?? Infinity;
  }

  add(dueMs: number, value: T): void {
    const entry = { dueMs, added: ++this.#added, value };
    let at = this.#heap.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#heap[parentAt];
      if (!parent || comesFirst(parent, entry)) break;
      this.#heap[at] = parent;
      at = parentAt;
    }
    this.#heap[at] = entry;
  }

  take(): T | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (last && this.#heap.length > 0) this.#sink(last);
    return first?.value;
  }

  /** Nothing is due later than this. */
  makeDue(dueMs: number): void {
    for (const entry of this.#heap) entry.dueMs = Math.min(entry.dueMs, dueMs);
    this.#heap.sort((one, other) => one.dueMs - other.dueMs || one.added - other.added);
  }

  /** Puts it where the first one was, and moves it down to where it belongs. */
  #sink(entry: Entry<T>): void {
    for (let at = 0; ;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      const child = left && right && comesFirst(right, left) ? right : left;
      if (!child || comesFirst(entry, child)) {
        this.#heap[at] = entry;
        return;
      }
      this.#heap[at] = child;
      at = 2 * at + (child === left ? 1 : 2);
    }
  }
}

function comesFirst<T>(one: Entry<T>, other: Entry<T>): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.added < other.added);
}

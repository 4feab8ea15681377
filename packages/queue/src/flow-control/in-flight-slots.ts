/** One customer's slots. */
export interface SlotHolder {
  readonly slotsMax: number;
}

/**
 * Which sends may begin: at most `slotsMax` of a customer and `max` in the process, first come first served within a customer.
 * The process's cap never refuses a customer's first send, so that no customer waits for the others' endpoints.
 * Needed by dispatcher.integration.test.ts ("never has more in flight than the customer may", "refuses no customer its first
 * send when the process is full").
 */
export function createInFlightSlots<H extends SlotHolder>(max: number) {
  const used = new Map<H, number>();
  const waiting = new Map<H, Waiter[]>();
  // Those with slots of their own left, but the process is full.
  const heldUp = new Set<H>();
  let total = 0;

  function hasRoom(holder: H): boolean {
    const own = used.get(holder) ?? 0;
    return own === 0 || (own < holder.slotsMax && total < max);
  }

  function occupy(holder: H): void {
    used.set(holder, (used.get(holder) ?? 0) + 1);
    total++;
  }

  function admit(holder: H): void {
    const queue = waiting.get(holder);
    if (!queue) return;
    while (queue.length > 0 && hasRoom(holder)) {
      occupy(holder);
      queue.shift()?.start();
    }
    noteWaiting(holder, queue);
  }

  function noteWaiting(holder: H, queue: Waiter[]): void {
    if (queue.length === 0 && waiting.get(holder) === queue) waiting.delete(holder);
    if (queue.length > 0 && (used.get(holder) ?? 0) < holder.slotsMax) heldUp.add(holder);
    else heldUp.delete(holder);
  }

  return {
    /** Undefined when there is room at once; else resolves when there is, and rejects with the signal's reason. */
    take(holder: H, signal: AbortSignal): Promise<void> | undefined {
      if (!waiting.has(holder) && hasRoom(holder)) {
        occupy(holder);
        return undefined;
      }
      return new Promise((resolve, reject) => {
        const queue = waiting.get(holder) ?? [];
        waiting.set(holder, queue);
        const onAbort = () => {
          queue.splice(queue.indexOf(waiter), 1);
          noteWaiting(holder, queue);
          reject(signal.reason as Error);
        };
        const waiter: Waiter = {
          start: () => {
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        queue.push(waiter);
        noteWaiting(holder, queue);
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    give(holder: H): void {
      const own = (used.get(holder) ?? 0) - 1;
      if (own > 0) used.set(holder, own);
      else used.delete(holder);
      total--;
      admit(holder);
      for (const other of heldUp) {
        if (total >= max) break;
        admit(other);
      }
    },
    /** The holder's `slotsMax` may have grown. */
    admit,
    usedBy: (holder: H) => used.get(holder) ?? 0,
    total: () => total,
  };
}

export type InFlightSlots<H extends SlotHolder> = ReturnType<typeof createInFlightSlots<H>>;

interface Waiter {
  readonly start: () => void;
}

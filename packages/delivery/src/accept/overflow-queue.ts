export interface OverflowQueueOptions<T, R> {
  /** Does the work of one item. Those of one run are called together. */
  run: (item: T) => Promise<R>;
  /** Items of one customer that weigh no more than this together are run together. */
  runWeightMax: number;
  /** What may wait for one customer; an item that weighs more is taken when nothing of its customer waits. */
  customerWeightMax: number;
  /** Items that may wait, of all customers. One customer may have as many of them as it leaves to others. */
  itemsMax: number;
  /** What waits longer is refused, whichever customer is served meanwhile. */
  waitedMsMax: number;
}

export interface OverflowQueue<T, R> {
  /** Rejects with `OverflowRefused` when there is too much, or when it has waited too long. */
  add(customerId: string, weight: number, item: T): Promise<R>;
  /** Whether anything of the customer waits or runs. */
  holds(customerId: string): boolean;
  /** Resolves when nothing waits or runs. */
  idle(): Promise<void>;
}

/** How much longer than `waitedMsMax` something may wait until that is seen. */
const OVERDUE_CHECK_MS = 500;

export class OverflowRefused extends Error {
  override readonly name = 'OverflowRefused';
}

interface Waiting<T, R> {
  item: T;
  weight: number;
  sinceMs: number;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

/** First come first: those that have waited longest are at the front. */
interface CustomerQueue<T, R> {
  items: Waiting<T, R>[];
  weight: number;
  /** What it has been served, counted from where the others were when it came: the least is served next. */
  served: number;
}

/**
 * What a customer sends beyond its share of a group commit, one run at a time: first come first served for one customer,
 * the customers by start-time fair queueing (Goyal, Vin, Cheng 1996), each the same weight. So the large work of one delays
 * neither those who stay within their share nor, by more than one run each, the large work of others; and whose events weigh
 * a thousand has ten of them for one of ten thousand.
 */
export function createOverflowQueue<T, R>({
  run,
  runWeightMax,
  customerWeightMax,
  itemsMax,
  waitedMsMax,
}: OverflowQueueOptions<T, R>): OverflowQueue<T, R> {
  const customers = new Map<string, CustomerQueue<T, R>>();
  let items = 0;
  let served: string | undefined;
  /** Where the customer was that is served. */
  let servedNow = 0;
  /** Where those are of whom nothing waits, so that no customer gains by sending one after the other. */
  const left = new Map<string, number>();
  let overdueTimer: NodeJS.Timeout | undefined;
  const idleWaiters: (() => void)[] = [];

  function add(customerId: string, weight: number, item: T): Promise<R> {
    const theirs = customers.get(customerId) ?? {
      items: [],
      weight: 0,
      served: Math.max(servedNow, left.get(customerId) ?? 0),
    };
    // So whoever came first leaves something to the next, however many they are.
    if (theirs.items.length >= itemsMax - items)
      return refuse(`${theirs.items.length} events of the customer wait already, ${items} of all`);
    if (theirs.items.length > 0 && theirs.weight + weight > customerWeightMax)
      return refuse(`${theirs.weight} deliveries of the customer wait already`);
    return new Promise((resolve, reject) => {
      theirs.items.push({ item, weight, sinceMs: performance.now(), resolve, reject });
      theirs.weight += weight;
      items += 1;
      customers.set(customerId, theirs);
      if (served === undefined) {
        served = customerId;
        // Those that come together run together.
        setImmediate(() => void serve());
      }
      overdueTimer ??= setInterval(refuseOverdue, OVERDUE_CHECK_MS).unref();
    });
  }

  async function serve(): Promise<void> {
    for (;;) {
      const next = leastServed();
      served = next;
      if (next === undefined) break;
      await Promise.all(take(next).map(runOne));
    }
    left.clear();
    for (const resolve of idleWaiters.splice(0)) resolve();
  }

  function leastServed(): string | undefined {
    let least: string | undefined;
    let servedLeast = Infinity;
    for (const [customerId, theirs] of customers) {
      if (theirs.served >= servedLeast) continue;
      least = customerId;
      servedLeast = theirs.served;
    }
    return least;
  }

  /** The customer's next items. */
  function take(customerId: string): Waiting<T, R>[] {
    const theirs = customers.get(customerId);
    if (!theirs) return [];
    let weight = 0;
    const end = theirs.items.findIndex((next, index) => {
      weight += next.weight;
      return index > 0 && weight > runWeightMax;
    });
    servedNow = theirs.served;
    for (const [customer, position] of left) if (position <= servedNow) left.delete(customer);
    const before = theirs.weight;
    const taken = remove(theirs, end === -1 ? theirs.items.length : end);
    theirs.served += before - theirs.weight;
    if (theirs.items.length === 0) forget(customerId, theirs);
    return taken;
  }

  /** By a timer: runs of many others may come before the customer's next one. */
  function refuseOverdue(): void {
    const overdueMs = performance.now() - waitedMsMax;
    for (const [customerId, theirs] of customers) {
      const inTime = theirs.items.findIndex(({ sinceMs }) => sinceMs >= overdueMs);
      for (const { reject } of remove(theirs, inTime === -1 ? theirs.items.length : inTime))
        reject(new OverflowRefused(`It has waited for ${waitedMsMax} ms`));
      if (theirs.items.length === 0) forget(customerId, theirs);
    }
    if (customers.size > 0) return;
    clearInterval(overdueTimer);
    overdueTimer = undefined;
  }

  function forget(customerId: string, theirs: CustomerQueue<T, R>): void {
    customers.delete(customerId);
    left.set(customerId, theirs.served);
  }

  function remove(theirs: CustomerQueue<T, R>, count: number): Waiting<T, R>[] {
    const removed = theirs.items.splice(0, count);
    for (const { weight } of removed) theirs.weight -= weight;
    items -= removed.length;
    return removed;
  }

  async function runOne({ item, resolve, reject }: Waiting<T, R>): Promise<void> {
    try {
      resolve(await run(item));
    } catch (error) {
      reject(error);
    }
  }

  return {
    add,
    holds: (customerId) => served === customerId || customers.has(customerId),
    idle: () =>
      served === undefined ? Promise.resolve() : new Promise<void>((resolve) => idleWaiters.push(resolve)),
  };
}

function refuse(message: string): Promise<never> {
  return Promise.reject(new OverflowRefused(message));
}

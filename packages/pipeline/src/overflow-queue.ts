export interface OverflowQueueOptions<T, R> {
  /** Does the work of one item. Those of one run are called together. */
  run: (item: T) => Promise<R>;
  /** Items of one customer that weigh no more than this together are run together. */
  runWeightMax: number;
  /** What may wait for one customer; an item that weighs more is taken when nothing of its customer waits. */
  customerWeightMax: number;
  /** Items that may wait, of all customers. */
  itemsMax: number;
  /** What waits longer is refused. */
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

/**
 * What a customer sends beyond its share of a group commit, one run at a time: first come first served for one customer,
 * the customers one after the other. So the large work of one delays neither those who stay within their share nor, by
 * more than one run each, the large work of others.
 */
export function createOverflowQueue<T, R>({
  run,
  runWeightMax,
  customerWeightMax,
  itemsMax,
  waitedMsMax,
}: OverflowQueueOptions<T, R>): OverflowQueue<T, R> {
  // In the order in which their customers are served next.
  const customers = new Map<string, { items: Waiting<T, R>[]; weight: number }>();
  let items = 0;
  let served: string | undefined;
  const idleWaiters: (() => void)[] = [];

  function add(customerId: string, weight: number, item: T): Promise<R> {
    const theirs = customers.get(customerId) ?? { items: [], weight: 0 };
    if (items >= itemsMax) return refuse(`${items} events wait already`);
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
    });
  }

  async function serve(): Promise<void> {
    for (;;) {
      const [next] = customers.keys();
      served = next;
      if (next === undefined) break;
      await Promise.all(take(next).map(runOne));
    }
    for (const resolve of idleWaiters.splice(0)) resolve();
  }

  /** The customer's next items; it is last in line then. */
  function take(customerId: string): Waiting<T, R>[] {
    const theirs = customers.get(customerId);
    if (!theirs) return [];
    const taken: Waiting<T, R>[] = [];
    const overdueMs = performance.now() - waitedMsMax;
    let weight = 0;
    for (const next of theirs.items) {
      const isOverdue = next.sinceMs < overdueMs;
      if (!isOverdue && weight > 0 && weight + next.weight > runWeightMax) break;
      theirs.weight -= next.weight;
      items -= 1;
      taken.push(next);
      if (isOverdue) next.reject(new OverflowRefused(`It has waited for ${waitedMsMax} ms`));
      else weight += next.weight;
    }
    theirs.items.splice(0, taken.length);
    customers.delete(customerId);
    if (theirs.items.length > 0) customers.set(customerId, theirs);
    return taken.filter(({ sinceMs }) => sinceMs >= overdueMs);
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

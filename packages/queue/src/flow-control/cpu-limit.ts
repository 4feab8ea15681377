/** A customer that this process delivers for. */
export interface CpuLimited {
  /** Sends begun since they were last looked at; set to 0 then. */
  starts: number;
  /** Sends in flight now. */
  readonly inFlight: number;
  /** In flight at most, by its limits alone. */
  readonly limit: number;
  /** In flight at most for the sake of others; Infinity without a CPU limit. */
  readonly cpuLimit: number;
  limitByCpu(inFlightMax: number): void;
}

/** Above it jobs that are due wait for the event loop noticeably, and longer the nearer it comes to 1. */
const busyFrom = 0.85;
/** Below it there is room for more. */
const idleFrom = 0.7;
/** A customer that begins this many times what each of the others does, on average, takes their CPU. */
const timesTheOthers = 2;
/** One is needed, and a second for what lies between two sends. */
const leastInFlight = 2;

/**
 * A customer whose endpoint is fast can keep a whole CPU busy within its limits of sends in flight. While the event loop
 * has hardly a pause, and others have something due, a customer that begins more than twice what they do gets a quarter fewer
 * in flight, down to 2; with room again, or once it begins no more than they do, a quarter more, up to its limits. Sends that
 * hang cost no CPU, and are not counted. A customer that is alone, or among equals, keeps its limits and full speed.
 * Needed by cpu-limit.integration.test.ts.
 */
export function limitByCpuUse(customers: Iterable<CpuLimited>, utilization: number): void {
  /** What each began, of those that began anything. */
  const begun = new Map<CpuLimited, number>();
  const limited: CpuLimited[] = [];
  let total = 0;
  for (const customer of customers) {
    const { starts } = customer;
    customer.starts = 0;
    if (customer.cpuLimit < Infinity) limited.push(customer);
    if (starts === 0) continue;
    begun.set(customer, starts);
    total += starts;
  }
  const crowded = begun.size > 1;
  for (const customer of limited) {
    const own = begun.get(customer) ?? 0;
    const others = own > 0 ? begun.size - 1 : begun.size;
    const beginsLittle = own <= (total - own) / others;
    if (crowded && utilization >= idleFrom && !beginsLittle) continue;
    const more = Math.ceil(customer.cpuLimit * 1.25);
    customer.limitByCpu(more < customer.limit ? more : Infinity);
  }
  if (!crowded || utilization <= busyFrom) return;
  for (const [customer, own] of begun) {
    if (own <= (timesTheOthers * (total - own)) / (begun.size - 1)) continue;
    const now = Math.min(customer.cpuLimit, Math.max(customer.inFlight, leastInFlight));
    customer.limitByCpu(Math.max(leastInFlight, Math.floor(now * 0.75)));
  }
}

/** A customer that this process delivers for. */
export interface Squeezable {
  /** Sends begun since they were last looked at; set to 0 then. */
  starts: number;
  /** Sends in flight now. */
  readonly inFlight: number;
  /** In flight at most, by its limits alone. */
  readonly limit: number;
  /** In flight at most for the sake of others; Infinity when it is not squeezed. */
  readonly squeezedTo: number;
  squeeze(inFlightMax: number): void;
}

/** Above it what is due waits for the event loop noticeably, and longer the nearer it comes to 1. */
const busyFrom = 0.85;
/** Below it there is room for more. */
const idleFrom = 0.7;
/** A customer that begins so many times what each of the others does, on average, takes their CPU. */
const timesTheOthers = 2;
/** One is needed, and a second for what lies between two sends. */
const leastInFlight = 2;

/**
 * A customer whose endpoint is fast can keep a whole CPU busy within its limits of sends in flight. While the event loop
 * has hardly a pause, and others have something due, whoever begins more than twice what they do gets a quarter fewer in
 * flight, down to 2; with room again, or once it begins no more than they do, a quarter more, up to its limits. Sends that
 * hang cost no CPU, and are not counted. Alone, or among equals, nobody is squeezed: the backlog is worked off at full speed.
 */
export function squeezeByCpu(customers: Iterable<Squeezable>, utilization: number): void {
  /** What each began, of those that began anything. */
  const begun = new Map<Squeezable, number>();
  const squeezed: Squeezable[] = [];
  let total = 0;
  for (const customer of customers) {
    const { starts } = customer;
    customer.starts = 0;
    if (customer.squeezedTo < Infinity) squeezed.push(customer);
    if (starts === 0) continue;
    begun.set(customer, starts);
    total += starts;
  }
  const crowded = begun.size > 1;
  for (const customer of squeezed) {
    const own = begun.get(customer) ?? 0;
    const others = own > 0 ? begun.size - 1 : begun.size;
    const beginsLittle = own <= (total - own) / others;
    if (crowded && utilization >= idleFrom && !beginsLittle) continue;
    const more = Math.ceil(customer.squeezedTo * 1.25);
    customer.squeeze(more < customer.limit ? more : Infinity);
  }
  if (!crowded || utilization <= busyFrom) return;
  for (const [customer, own] of begun) {
    if (own <= (timesTheOthers * (total - own)) / (begun.size - 1)) continue;
    const now = Math.min(customer.squeezedTo, Math.max(customer.inFlight, leastInFlight));
    customer.squeeze(Math.max(leastInFlight, Math.floor(now * 0.75)));
  }
}

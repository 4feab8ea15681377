/** What a lane may have in flight on its own, and whether it has work. */
export interface LaneDemand {
  readonly endpointMax: number;
  readonly busy: boolean;
}

/**
 * Splits a customer's in-flight budget over its busy lanes, none above its endpoint's cap; the others get what one
 * cannot use. Every lane gets at least 1. As long as one is idle, a slot is kept free for its next job, so that it need not
 * wait until an endpoint that hangs gives one back; when there are more busy lanes than budget, the customer's slots decide
 * which sends next. Needed by dispatcher.integration.test.ts ("keeps a slot for an endpoint whose sibling hangs").
 */
export function laneShares(customerMax: number, lanes: readonly LaneDemand[]): number[] {
  const shares = lanes.map(() => 1);
  const open = lanes.map((_, i) => i).filter((i) => lanes[i]?.busy);
  open.sort((a, b) => (lanes[a]?.endpointMax ?? 1) - (lanes[b]?.endpointMax ?? 1));
  let budget = open.length < lanes.length ? Math.max(1, customerMax - 1) : customerMax;
  open.forEach((lane, i) => {
    const left = open.length - i;
    const share = Math.max(1, Math.min(lanes[lane]?.endpointMax ?? 1, Math.ceil(budget / left)));
    shares[lane] = share;
    budget = Math.max(0, budget - share);
  });
  return shares;
}

export interface WorkerLoad {
  readonly workerId: string;
  readonly load: number;
}

export interface HandOver {
  readonly customerId: string;
  readonly toWorkerId: string;
}

/** Whether a worker carries more than its share, by more than what chance makes of an even split. */
export function isOverShare(load: number, workers: readonly WorkerLoad[]): boolean {
  const fair = fairShare(workers);
  return load - fair > Math.max(fair * tolerance, Math.sqrt(fair), surplusMin);
}

/**
 * Which of a worker's customers go to whom, the largest first: each to the worker with the least, as long as that one
 * does not end up with more than is left here. So no worker has a reason to give one back, and a customer that is
 * most of the load stays. Several workers above their share fill the room of the others in proportion.
 */
export function planHandOvers(
  ownId: string,
  workers: readonly WorkerLoad[],
  customers: readonly { readonly customerId: string; readonly load: number }[],
): HandOver[] {
  let own = workers.find(({ workerId }) => workerId === ownId)?.load ?? 0;
  if (workers.length < 2 || !isOverShare(own, workers)) return [];
  const fair = fairShare(workers);
  const surpluses = workers.reduce((sum, { load }) => sum + Math.max(0, load - fair), 0);
  const ourPart = (own - fair) / surpluses;
  const others = workers
    .filter(({ workerId, load }) => workerId !== ownId && load < fair)
    .map(({ workerId, load }) => ({ workerId, load: fair - (fair - load) * ourPart }));
  const handOvers: HandOver[] = [];

  const give = (accepts: (load: number, takerLoad: number) => boolean, max: number): void => {
    for (const { customerId, load } of [...customers].sort((a, b) => b.load - a.load)) {
      if (own <= fair || handOvers.length >= max || load < worthIt) return;
      const taker = others.reduce((least, other) => (other.load < least.load ? other : least));
      if (!accepts(load, taker.load)) continue;
      own -= load;
      taker.load += load;
      handOvers.push({ customerId, toWorkerId: taker.workerId });
    }
  };
  give((load, takerLoad) => takerLoad + load <= own - load, roundMax);
  // None fits so well; one that makes the busiest clearly less busy is worth it too.
  if (handOvers.length === 0) give((load, takerLoad) => takerLoad + load <= own * (1 - tolerance), 1);
  return handOvers;
}

function fairShare(workers: readonly WorkerLoad[]): number {
  return workers.reduce((sum, { load }) => sum + load, 0) / Math.max(1, workers.length);
}

const tolerance = 0.15;
const surplusMin = 2;
// Less than this is short-lived: the customer is released when idle, and claimed by a worker that has room.
const worthIt = 0.2;
const roundMax = 500;

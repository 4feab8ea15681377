import type { Redis } from 'ioredis';

/** No other worker takes a customer over faster than this. */
const worthStoringMs = 10;

/** When rate limits allow the next send, for the next owner of a customer. */
export interface PaceStore {
  /** 0 when nothing is stored. What cannot be read costs one early send at most. */
  readLane(lane: string): Promise<number>;
  readCustomer(customerId: string): Promise<number>;
  /** Null: no limit. */
  saveLane(lane: string, nextMs: number | null, nowMs: number): void;
  saveCustomer(customerId: string, nextMs: number | null, nowMs: number): void;
}

/** On the connection that ends the jobs: who finds a job gone finds this too. The keys expire by themselves. */
export function createPaceStore(redis: Redis, prefix: string): PaceStore {
  const laneKey = (lane: string) => `${prefix}:${lane}:pace`;
  const customerKey = (customerId: string) => `${prefix}:index:pace:${customerId}`;

  async function read(key: string): Promise<number> {
    return Number((await redis.get(key).catch(() => null)) ?? 0);
  }

  function save(key: string, nextMs: number | null, nowMs: number): void {
    if (nextMs === null || nextMs - nowMs < worthStoringMs) return;
    redis.set(key, Math.ceil(nextMs).toString(), 'PX', Math.ceil(nextMs - nowMs)).catch(() => undefined);
  }

  return {
    readLane: (lane) => read(laneKey(lane)),
    readCustomer: (customerId) => read(customerKey(customerId)),
    saveLane: (lane, nextMs, nowMs) => save(laneKey(lane), nextMs, nowMs),
    saveCustomer: (customerId, nextMs, nowMs) => save(customerKey(customerId), nextMs, nowMs),
  };
}

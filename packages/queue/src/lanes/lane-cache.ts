import { QueueKeys } from 'bullmq';
import { LRUCache } from 'lru-cache';
import type { DeliveryRef } from '@posthorn/domain';
import { laneName } from './lane-name.js';

const lanesCachedMax = 5000;

/** A lane's name and BullMQ keys. A million endpoints take no memory: only the lanes used last are kept. */
export function createLaneCache(prefix: string) {
  const queueKeys = new QueueKeys(prefix);
  const cached = new LRUCache<string, { lane: string; keys: Record<string, string> }>({
    max: lanesCachedMax,
  });
  return ({ customerId, endpointId }: Pick<DeliveryRef, 'customerId' | 'endpointId'>) => {
    const id = `${customerId}/${endpointId}`;
    let entry = cached.get(id);
    if (!entry) {
      const lane = laneName(customerId, endpointId);
      entry = { lane, keys: queueKeys.getKeys(lane) };
      cached.set(id, entry);
    }
    return entry;
  };
}

export type LaneCache = ReturnType<typeof createLaneCache>;

import { isDatabaseUnavailable } from '@posthorn/database';
import { laneOf, type OneShotLane, originOf, serves } from '@posthorn/domain';
import { createGroupCommit } from '@posthorn/runtime';
import { LRUCache } from 'lru-cache';

import type { OneShotStore } from '../attempt/one-shot-store.sql.js';
import type { WantedLane } from '../attempt/prepare-one-shot-lanes.sql.js';

const CUSTOMERS_MAX = 10_000;

export interface OneShotLaneCache {
  /** The id of the lane that a customer's one-shots to a URL go over; undefined for a customer that is not there. */
  get(customerId: string, url: string): Promise<string | undefined>;
  /** The customer is another one, or gone. */
  drop(customerId: string): void;
}

/**
 * A customer's lanes are few and stay, so that a process asks for them once, and then for each that is new. Those are asked
 * for together and one batch at a time: a burst of one-shots to new origins must not take the pool from events.
 */
export function createOneShotLaneCache(
  store: Pick<OneShotStore, 'ensureLanes'>,
  waitingMax: number,
): OneShotLaneCache {
  const known = new LRUCache<string, OneShotLane[]>({ max: CUSTOMERS_MAX });
  const ensure = createGroupCommit<WantedLane, OneShotLane[] | undefined>({
    commit: async (wanted) => {
      const lanes = await store.ensureLanes(wanted);
      for (const [customerId, own] of lanes) known.set(customerId, own);
      return wanted.map(({ customerId }) => lanes.get(customerId));
    },
    concurrencyMax: 1,
    queueMax: waitingMax,
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });

  return {
    async get(customerId, url) {
      const origin = originOf(url);
      const lane = laneOf(known.get(customerId) ?? [], origin);
      if (lane && serves(lane, origin)) return lane.id;
      return laneOf((await ensure({ customerId, origin })) ?? [], origin)?.id;
    },
    drop: (customerId) => void known.delete(customerId),
  };
}

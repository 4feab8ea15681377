import { resolveRetryPolicy } from '@posthorn/domain';
import { createGroupCommit } from '@posthorn/runtime';

import type { ReadyTarget } from './endpoint-cache.js';
import type { OneShotForDelivery } from './one-shot-store.sql.js';

/** The lane with the URL, headers and retry policy that were given with one event. */
export type ResolveOneShotTarget = (lane: ReadyTarget, eventId: string) => Promise<ReadyTarget>;

/** Reads for each attempt, as the delivery is: most one-shots are attempted once. Reads at the same time share a statement. */
export function createOneShotTargetResolver(
  readForDelivery: (eventIds: readonly string[]) => Promise<Map<string, OneShotForDelivery>>,
): ResolveOneShotTarget {
  const read = createGroupCommit<string, OneShotForDelivery | undefined>({
    commit: async (eventIds) => {
      const found = await readForDelivery(eventIds);
      return eventIds.map((id) => found.get(id));
    },
    isRetryableRowByRow: () => false,
  });
  return async (lane, eventId) => {
    const oneShot = await read(eventId);
    if (oneShot?.kind !== 'ready') throw new Error('The one-shot cannot be read', { cause: oneShot?.error });
    const { url, headers, retryPolicy } = oneShot.target;
    return { ...lane, url, headers, retryPolicy: resolveRetryPolicy(retryPolicy) };
  };
}

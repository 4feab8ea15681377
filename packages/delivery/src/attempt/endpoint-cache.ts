import type { ChangeKind, DeliveryEndpoint, EndpointForDelivery } from '@posthorn/database';
import { resolveRetryPolicy, type RetryPolicy } from '@posthorn/domain';
import { createGroupCommit } from '@posthorn/runtime';
import { LRUCache } from 'lru-cache';

import { createLoadingCache } from '../accept/loading-cache.js';

const ENDPOINTS_MAX = 50_000;
const READ_BATCH_MAX = 200;

/** An endpoint as an attempt needs it, secrets opened; or only its status where its sealed values do not open. */
export type DeliveryTarget = ReadyTarget | Extract<EndpointForDelivery, { kind: 'unreadable' }>;

export interface ReadyTarget extends Omit<DeliveryEndpoint, 'retryPolicy'> {
  kind: 'ready';
  retryPolicy: RetryPolicy;
}

export interface EndpointCache {
  /** Undefined for an endpoint that does not exist, or no longer. */
  get(endpointId: string): Promise<DeliveryTarget | undefined>;
  drop(endpointId: string): void;
  onChange(kind: ChangeKind, id: string): void;
  onGap(): void;
}

/**
 * Settings are read at attempt time: a changed URL, secret or policy applies to what is still waiting. The cache makes
 * that cheap; the change feed keeps it at most a second old. Reads that come together share one statement.
 */
export function createEndpointCache(
  readForDelivery: (endpointIds: readonly string[]) => Promise<Map<string, EndpointForDelivery>>,
): EndpointCache {
  const idsOfCustomer = new LRUCache<string, Set<string>>({ max: ENDPOINTS_MAX });
  const read = createGroupCommit<string, DeliveryTarget | undefined>({
    commit: async (ids) => {
      const found = await readForDelivery([...new Set(ids)]);
      return ids.map((id) => toTarget(found.get(id)));
    },
    batchMax: READ_BATCH_MAX,
    isRetryableRowByRow: () => false,
  });
  const cache = createLoadingCache<DeliveryTarget>(ENDPOINTS_MAX, async (id) => {
    const target = await read(id);
    if (target?.kind === 'ready') remember(target);
    return target;
  });

  function remember({ customerId, id }: ReadyTarget): void {
    const known = idsOfCustomer.get(customerId);
    if (known) known.add(id);
    else idsOfCustomer.set(customerId, new Set([id]));
  }

  /** A customer's limits are part of its targets. Every change of an endpoint is also one of its customer's. */
  function dropCustomer(customerId: string): void {
    for (const endpointId of idsOfCustomer.get(customerId) ?? []) cache.drop(endpointId);
    // What is still in use is remembered again when it is read: endpoints that come and go leave nothing behind.
    idsOfCustomer.delete(customerId);
  }

  return {
    get: (endpointId) => cache.get(endpointId),
    drop: (endpointId) => cache.drop(endpointId),
    onChange(kind, id) {
      if (kind === 'endpoint') cache.drop(id);
      if (kind === 'customer') dropCustomer(id);
    },
    onGap() {
      cache.clear();
      idsOfCustomer.clear();
    },
  };
}

function toTarget(found: EndpointForDelivery | undefined): DeliveryTarget | undefined {
  if (found?.kind !== 'ready') return found;
  return { kind: 'ready', ...found.endpoint, retryPolicy: resolveRetryPolicy(found.endpoint.retryPolicy) };
}

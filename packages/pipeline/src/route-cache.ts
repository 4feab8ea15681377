import type { ChangeKind, CustomerRoutes } from '@posthorn/database';
import type { Audience, EndpointStatus } from '@posthorn/domain';

import { createLoadingCache } from './loading-cache.js';
import { openForMs } from './open-for.js';

const CUSTOMERS_MAX = 50_000;

/** What fan-out needs of an endpoint. */
export interface Route {
  id: string;
  kind: Audience;
  status: EndpointStatus;
  eventTypes: string[];
  /** How long after it opened a delivery to it expires. */
  openForMs: number;
}

export interface RoutingTable {
  endpointsVersion: number;
  routes: Route[];
}

export interface RouteCache {
  /** Undefined for a customer that does not exist. */
  get(customerId: string): Promise<RoutingTable | undefined>;
  drop(customerId: string): void;
  onChange(kind: ChangeKind, id: string): void;
  onGap(): void;
}

/**
 * A customer's endpoints as fan-out sees them. It may be stale: the accept statement compares the version and refuses
 * an older one, so announcements only save that detour. Every change of an endpoint is also a change of its customer.
 */
export function createRouteCache(
  readRoutes: (customerId: string) => Promise<CustomerRoutes | null>,
): RouteCache {
  const cache = createLoadingCache<RoutingTable>(CUSTOMERS_MAX, async (customerId) => {
    const row = await readRoutes(customerId);
    if (!row) return undefined;
    return {
      endpointsVersion: row.endpointsVersion,
      routes: row.endpoints.map(({ id, kind, status, eventTypes, retryPolicy }) => ({
        id,
        kind,
        status,
        eventTypes,
        openForMs: openForMs(retryPolicy),
      })),
    };
  });
  return {
    get: (customerId) => cache.get(customerId),
    drop: (customerId) => cache.drop(customerId),
    onChange(kind, id) {
      if (kind === 'customer') cache.drop(id);
    },
    onGap: () => cache.clear(),
  };
}

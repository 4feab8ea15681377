import type { ChangeKind, CustomerRoutes } from '@posthorn/database';
import { type Audience, type EndpointStatus, fanOut } from '@posthorn/domain';

import { createLoadingCache } from './loading-cache.js';
import { deliveryLifetimeMs } from './delivery-lifetime.js';

const CUSTOMERS_MAX = 50_000;
/** Of all customers together: some 200 bytes each. */
const ROUTES_MAX = 250_000;
/** Fewer are matched as fast as a result would be looked up. */
const REMEMBERED_FROM = 50;
/** Of one customer, in multiples of its routes: that much is remembered of what its event types match. */
const REMEMBERED_TIMES = 4;
/** So many are looked through in a fraction of a millisecond. */
const QUICK_MAX = 1_000;

/** What fan-out needs of an endpoint. */
export interface Route {
  id: string;
  kind: Audience;
  status: EndpointStatus;
  eventTypes: string[];
  /** How long after it opened a delivery to it expires. */
  deliveryLifetimeMs: number;
}

export interface RoutingTable {
  endpointsVersion: number;
  size: number;
  /** False where `reached` looks through so many endpoints that the event loop should have a pause before it. */
  isQuick(audience: Audience, type: string): boolean;
  /** Those that get a delivery of an event of this type. */
  reached(audience: Audience, type: string): readonly Route[];
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
  const cache = createLoadingCache<RoutingTable>(
    { entriesMax: CUSTOMERS_MAX, sizeMax: ROUTES_MAX, sizeOf: ({ size }) => size },
    async (customerId) => {
      const row = await readRoutes(customerId);
      return row ? routingTable(row) : undefined;
    },
  );
  return {
    get: (customerId) => cache.get(customerId),
    drop: (customerId) => cache.drop(customerId),
    onChange(kind, id) {
      if (kind === 'customer') cache.drop(id);
    },
    onGap: () => cache.clear(),
  };
}

/** The types of a customer with many endpoints are few, and looking through all of them for each event is not free. */
function routingTable({ endpointsVersion, endpoints }: CustomerRoutes): RoutingTable {
  const routes = endpoints.map(({ id, kind, status, eventTypes, retryPolicy }): Route => ({
    id,
    kind,
    status,
    eventTypes,
    deliveryLifetimeMs: deliveryLifetimeMs(retryPolicy),
  }));
  const remembered = new Map<string, readonly Route[]>();
  let rememberedRoutes = 0;
  const match = (audience: Audience, type: string) =>
    fanOut(
      routes.filter(({ kind }) => kind === audience),
      type,
    );
  return {
    endpointsVersion,
    size: routes.length,
    isQuick: (audience, type) => routes.length <= QUICK_MAX || remembered.has(nameOf(audience, type)),
    reached(audience, type) {
      if (routes.length < REMEMBERED_FROM) return match(audience, type);
      const name = nameOf(audience, type);
      const known = remembered.get(name);
      if (known) return known;
      const found = match(audience, type);
      rememberedRoutes += 1 + found.length;
      if (rememberedRoutes > REMEMBERED_TIMES * routes.length) {
        remembered.clear();
        rememberedRoutes = 1 + found.length;
      }
      remembered.set(name, found);
      return found;
    },
  };
}

function nameOf(audience: Audience, type: string): string {
  return `${audience} ${type}`;
}

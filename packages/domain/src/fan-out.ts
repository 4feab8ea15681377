import type { DeliveryStatus } from './delivery.js';
import type { EndpointStatus } from './endpoint.js';
import { matchesEventType } from './event-filter.js';

/**
 * The endpoints that get a delivery of an event of this type. Paused and disabled ones get theirs too: it is held for
 * them, never dropped.
 */
export function fanOut<E extends { readonly status: EndpointStatus; readonly eventTypes: readonly string[] }>(
  endpoints: readonly E[],
  type: string,
): E[] {
  return endpoints.filter((endpoint) => matchesEventType(endpoint.eventTypes, type));
}

/** The status a delivery to an endpoint opens with. */
export function openingStatus(endpoint: {
  readonly status: EndpointStatus;
}): Extract<DeliveryStatus, 'pending' | 'held'> {
  return endpoint.status === 'enabled' ? 'pending' : 'held';
}

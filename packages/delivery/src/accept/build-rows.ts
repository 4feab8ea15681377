import { buildEnvelope, createUuidV7, deliveryIdOf, encodeId, openingStatus } from '@posthorn/domain';

import type { EventToAccept } from './event-to-accept.js';
import type { ClaimedKeys } from './accept-once.js';
import type { DeliveryToInsert, EventToInsert } from './insert-events.sql.js';
import type { Route } from './route-cache.js';

/** An event as it is inserted, without its deliveries. */
export type EventRow = Omit<EventToInsert, 'deliveries' | 'deliveryCount'> & { endpointsVersion: number };

export function buildEventRow(
  event: EventToAccept,
  { keyHashes, requestHash }: ClaimedKeys,
  endpointsVersion: number,
  acceptedAtMs: number,
): EventRow {
  const id = createUuidV7(acceptedAtMs);
  const occurredAtMs = event.occurredAtMs ?? acceptedAtMs;
  return {
    id,
    customerId: event.customerId,
    type: event.type,
    externalId: event.externalId,
    occurredAtMs,
    acceptedAtMs,
    body: buildEnvelope({
      id: encodeId('evt', id),
      type: event.type,
      timestamp: new Date(occurredAtMs).toISOString(),
      dataSource: event.dataSource,
    }),
    endpointsVersion,
    keyHashes,
    requestHash,
  };
}

export function buildDeliveryRow(
  { id, customerId, acceptedAtMs }: Pick<EventRow, 'id' | 'customerId' | 'acceptedAtMs'>,
  route: Route,
  heldMs: number,
): DeliveryToInsert {
  const status = openingStatus(route);
  return {
    customerId,
    endpointId: route.id,
    eventId: id,
    deliveryId: deliveryIdOf(id, route.id),
    generation: 1,
    status,
    reason: status === 'held' ? `endpoint_${route.status}` : null,
    expiresAtMs: acceptedAtMs + (status === 'held' ? heldMs : route.deliveryLifetimeMs),
  };
}

/** The deliveries of an event some at a time, so that never more than those are in memory. */
export function* buildDeliveryRowsInPieces(
  event: EventRow,
  routes: readonly Route[],
  heldMs: number,
  pieceMax: number,
): Generator<DeliveryToInsert[]> {
  for (let from = 0; from < routes.length; from += pieceMax) {
    yield routes.slice(from, from + pieceMax).map((route) => buildDeliveryRow(event, route, heldMs));
  }
}

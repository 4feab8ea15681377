import { type EventResource, idPrefixes } from '@posthorn/api-contract';
import type { Delivery, Event, EventSummary } from '@posthorn/delivery/history';
import { encodeId, readTopLevelMembers } from '@posthorn/domain';
import { deliveryResource } from './delivery-resource.js';

export function eventResource(event: EventSummary): EventResource {
  return {
    id: encodeId(idPrefixes.event, event.id),
    customerId: event.customerId,
    type: event.type,
    externalId: event.externalId,
    timestamp: event.occurredAt.toISOString(),
    acceptedAt: event.acceptedAt.toISOString(),
    deliveryCount: event.deliveryCount,
    test: event.test,
  };
}

/**
 * The answer is put together as text around the stored source of `data`: parsing it and writing it again would change
 * numbers past 2^53, 1.0, escapes and the order of keys.
 */
export function eventDetailJson(
  event: Event,
  deliveries: readonly Delivery[],
  { oneShot }: { oneShot: boolean },
): string {
  const facts = JSON.stringify(eventResource(event)).slice(0, -1);
  // A one-shot is kept as it is sent, without an envelope.
  const data = oneShot ? event.body : dataSourceOf(event);
  return `${facts},"data":${data},"deliveries":${JSON.stringify(deliveries.map(deliveryResource))}}`;
}

function dataSourceOf({ id, body }: Event): string {
  const source = readTopLevelMembers(body).get('data');
  if (source === undefined) throw new Error(`The stored envelope of event ${id} has no data`);
  return source;
}

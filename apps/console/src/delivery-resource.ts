import { type DeliveryResource, idPrefixes } from '@posthorn/api-contract';
import type { Delivery } from '@posthorn/delivery/history';
import { encodeId } from '@posthorn/domain';

export function deliveryResource(delivery: Delivery): DeliveryResource {
  return {
    id: encodeId(idPrefixes.delivery, delivery.id),
    eventId: encodeId(idPrefixes.event, delivery.eventId),
    endpointId: encodeId(idPrefixes.endpoint, delivery.endpointId),
    customerId: delivery.customerId,
    type: delivery.type,
    status: delivery.status,
    waitingFor: delivery.waitingFor,
    reason: delivery.reason,
    attempts: delivery.attempts,
    expiresAt: delivery.expiresAt.toISOString(),
    nextAttemptAt: delivery.nextAttemptAt?.toISOString() ?? null,
    lastAttemptAt: delivery.lastAttemptAt?.toISOString() ?? null,
    lastResponseCode: delivery.lastResponseCode,
    lastError: delivery.lastError,
    createdAt: delivery.createdAt.toISOString(),
    finishedAt: delivery.finishedAt?.toISOString() ?? null,
    test: delivery.test,
  };
}

import { DAY_MS } from '@posthorn/database';
import { createUuidV7, deliveryIdOf } from '@posthorn/domain';

import type { EventToInsert } from '../accept/insert-events.sql.js';

export interface EventOptions extends Partial<EventToInsert> {
  /** The endpoint of its one delivery, unless `deliveries` are given. */
  endpointId: string;
}

/** An event of the customer `acme`, accepted now, without an idempotency key, with one delivery that is due for a day. */
export function eventToInsert({ endpointId, ...given }: EventOptions): EventToInsert {
  const acceptedAtMs = given.acceptedAtMs ?? Date.now();
  const id = createUuidV7(acceptedAtMs);
  return {
    id,
    customerId: 'acme',
    type: 'invoice.paid',
    externalId: null,
    occurredAtMs: acceptedAtMs,
    acceptedAtMs,
    body: '{}',
    endpointsVersion: 0,
    deliveries: [
      {
        customerId: given.customerId ?? 'acme',
        endpointId,
        eventId: id,
        deliveryId: deliveryIdOf(id, endpointId),
        generation: 1,
        status: 'pending',
        reason: null,
        expiresAtMs: acceptedAtMs + DAY_MS,
      },
    ],
    keyHashes: [],
    requestHash: null,
    ...given,
  };
}

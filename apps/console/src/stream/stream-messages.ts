import { idPrefixes, type StreamedDeliveryResource } from '@posthorn/api-contract';
import type { ChangedAttempt, ChangedDelivery, DeliveryChange } from '@posthorn/delivery/stream';
import { encodeId } from '@posthorn/domain';

/** The messages of one change. */
export function messagesOf(item: DeliveryChange): string {
  const delivery = deliveryOf(item.delivery);
  switch (item.kind) {
    case 'created':
      return message('delivery.created', { delivery });
    case 'closed':
      return message(`delivery.${delivery.status}`, { delivery });
    case 'attempted': {
      const written = { delivery, attempt: attemptOf(item.attempt) };
      const end = endOf(item.delivery, item.attempt);
      return message('delivery.attempted', written) + (end ? message(end, written) : '');
    }
  }
}

/** Data first would do for parsers; people who watch read the name first. */
export function message(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function endOf(delivery: ChangedDelivery, attempt: ChangedAttempt): string | null {
  if (attempt.status === 'delivered') return 'delivery.delivered';
  const ended = delivery.status === 'dead_lettered' && attempt.number === delivery.attempts;
  return ended && attempt.nextAttemptAt === null ? 'delivery.dead_lettered' : null;
}

function deliveryOf(delivery: ChangedDelivery): StreamedDeliveryResource {
  return {
    id: encodeId(idPrefixes.delivery, delivery.id),
    eventId: encodeId(idPrefixes.event, delivery.eventId),
    endpointId: encodeId(idPrefixes.endpoint, delivery.endpointId),
    customerId: delivery.customerId,
    type: delivery.type,
    status: delivery.status,
    reason: delivery.reason,
    attempts: delivery.attempts,
    nextAttemptAt: delivery.nextAttemptAt?.toISOString() ?? null,
    lastResponseCode: delivery.lastResponseCode,
    createdAt: delivery.createdAt.toISOString(),
    finishedAt: delivery.finishedAt?.toISOString() ?? null,
    test: delivery.test,
  };
}

function attemptOf(attempt: ChangedAttempt) {
  const { number, trigger, status, responseCode, latencyMs, errorCode, errorMessage } = attempt;
  return {
    number,
    trigger,
    status,
    responseCode,
    latencyMs,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
    startedAt: attempt.startedAt.toISOString(),
    nextAttemptAt: attempt.nextAttemptAt?.toISOString() ?? null,
  };
}

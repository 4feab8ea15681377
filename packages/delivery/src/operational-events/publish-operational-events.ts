import { type DatabaseConnection, type DatabasePool, inTransaction } from '@posthorn/database';
import { operationalEventData, operatorCustomerId } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';

import type { EventAcceptor } from '../accept/accept-event.js';
import type { EventToAccept } from '../accept/event-to-accept.js';
import { removeFromOutbox, takeFromOutbox, type OutboxEntry } from './outbox.sql.js';

const PAGE = 100;

export interface OperationalEventPublisherDeps {
  pool: DatabasePool;
  acceptor: Pick<EventAcceptor, 'accept'>;
  logger: Logger;
}

export interface OperationalEventPublisher {
  /** Publishes all entries, until the signal aborts. Several processes may run it at once. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Publishes the outbox: each entry becomes an event of the operator's customer and, if the customer that it is about has a
 * `notificationUrl`, one of that customer's own; see docs/operational-events.md. Then they are delivered like every event.
 * An entry is removed after both are committed. A process that dies in between publishes again under the same idempotency
 * key, which makes nothing new.
 */
export function createOperationalEventPublisher({
  pool,
  acceptor,
  logger,
}: OperationalEventPublisherDeps): OperationalEventPublisher {
  return {
    async run(signal) {
      for (let published = PAGE; published === PAGE && !signal.aborted;)
        published = await inTransaction(pool, publishPage);
    },
  };

  async function publishPage(client: DatabaseConnection): Promise<number> {
    const entries = await takeFromOutbox(client, PAGE);
    if (entries.length === 0) return 0;
    await Promise.all(entries.filter(({ obsolete }) => !obsolete).map(publish));
    await removeFromOutbox(
      client,
      entries.map(({ id }) => id),
    );
    return entries.length;
  }

  async function publish({ id, notice, notedAt, toOwner }: OutboxEntry): Promise<void> {
    const event = {
      type: notice.type,
      dataSource: JSON.stringify(operationalEventData(notice)),
      externalId: null,
      occurredAtMs: notedAt.getTime(),
      idempotencyKey: `notice ${id}`,
    };
    await accept({ ...event, customerId: operatorCustomerId });
    if (toOwner) await accept({ ...event, customerId: notice.customerId, audience: 'notification' });
  }

  async function accept(event: EventToAccept): Promise<void> {
    const outcome = await acceptor.accept(event);
    // A customer that is being erased, or an operator's customer that was removed, receives nothing.
    if (outcome.kind === 'accepted' || outcome.kind === 'unknown_customer') return;
    logger.warn('operational_event.publish_failed', { type: event.type, reason: outcome.kind });
    throw new Error(`An operational event could not be published: ${outcome.kind}`);
  }
}

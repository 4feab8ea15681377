import { type DatabaseConnection, type DatabasePool, inTransaction } from '@posthorn/database';
import { operationalEventData, operatorCustomerId } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';

import type { EventAcceptor } from '../accept/accept-event.js';
import type { EventToAccept } from '../accept/event-to-accept.js';
import { removeNotices, takeNotices, type NoticeToTell } from './notices.sql.js';

const PAGE = 100;

export interface NoticeTellerDeps {
  pool: DatabasePool;
  acceptor: Pick<EventAcceptor, 'accept'>;
  logger: Logger;
}

export interface NoticeTeller {
  /** Makes events of all notices there are, until the signal aborts. Several processes may run it at once. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Tells what was noted: each notice becomes an event of the operator's customer and, where the customer it is about has a
 * notificationUrl, one of that customer's own for it alone; see docs/operational-events.md. From there on they go the way
 * of every event. A notice is removed after both are committed; a process that dies in between tells again under the same
 * idempotency key, which makes nothing new.
 */
export function createNoticeTeller({ pool, acceptor, logger }: NoticeTellerDeps): NoticeTeller {
  return {
    async run(signal) {
      for (let told = PAGE; told === PAGE && !signal.aborted;) told = await inTransaction(pool, tellPage);
    },
  };

  async function tellPage(client: DatabaseConnection): Promise<number> {
    const notices = await takeNotices(client, PAGE);
    if (notices.length === 0) return 0;
    await Promise.all(notices.filter(({ obsolete }) => !obsolete).map(tell));
    await removeNotices(
      client,
      notices.map(({ id }) => id),
    );
    return notices.length;
  }

  async function tell({ id, notice, notedAt, toOwner }: NoticeToTell): Promise<void> {
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
    // A customer that is being erased, or an operator's that someone removed, hears nothing.
    if (outcome.kind === 'accepted' || outcome.kind === 'unknown_customer') return;
    logger.warn('operational_event.publish_failed', { type: event.type, reason: outcome.kind });
    throw new Error(`A notice could not become an event: ${outcome.kind}`);
  }
}

import { operations } from '@posthorn/api-contract';
import type { CustomerStore } from '@posthorn/database';
import type { OneShotStore } from '@posthorn/delivery/attempt';
import type { DeliveryStore, EventStore } from '@posthorn/delivery/history';
import { oneShotType } from '@posthorn/domain';
import { customerFilter, mountOperation, notFound } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { idCursor, pageResource, readCursor } from './cursor.js';
import { findCustomer } from './customers.js';
import { eventDetailJson, eventResource } from './event-resource.js';

export interface EventsDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  events: EventStore;
  deliveries: DeliveryStore;
  oneShots: Pick<OneShotStore, 'has'>;
}

/** An event shows this many of its deliveries; the list of deliveries by event has them all. */
const deliveriesShownMax = 1_000;

const cursorForm = idCursor('events');

export function mountEvents(
  router: Router,
  { authentication, customers, events, deliveries, oneShots }: EventsDeps,
): void {
  mountOperation(router, operations.listEvents, authentication, async ({ query, caller }) => {
    const before = readCursor(cursorForm, query.cursor);
    const customerId = customerFilter(caller, query.customerId) ?? undefined;
    if (customerId !== undefined) await findCustomer(customers, caller, customerId);
    const { limit, type, since, until } = query;
    const page = await events.list({ limit, before, customerId, type, sinceMs: since, untilMs: until });
    return { status: 200, body: pageResource(cursorForm, page, eventResource) };
  });

  mountOperation(router, operations.getEvent, authentication, async ({ params, caller }) => {
    const event = await events.get(params.eventId);
    if (!event) throw notFound();
    await findCustomer(customers, caller, event.customerId);
    const ofEvent = await deliveries.list({ eventId: event.id, limit: deliveriesShownMax, before: null });
    const oneShot = event.type === oneShotType && (await oneShots.has(event.id));
    return { status: 200, json: eventDetailJson(event, ofEvent.items, { oneShot }) };
  });
}

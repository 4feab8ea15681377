import { type AttemptResource, type ListDeliveriesQuery, operations } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore, Page } from '@posthorn/database';
import type { AttemptStore, Delivery, DeliveryStore, EventStore } from '@posthorn/delivery/history';
import { type Caller, customerFilter, mountOperation, notFound, requireCustomer } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { attemptResource } from './attempt-resource.js';
import { attemptCursor, idCursor, pageResource, readCursor } from './cursor.js';
import { findCustomer } from './customers.js';
import { deliveryResource } from './delivery-resource.js';
import { findDelivery } from './find-delivery.js';

export interface DeliveriesDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  endpoints: EndpointStore;
  events: EventStore;
  deliveries: DeliveryStore;
  attempts: AttemptStore;
}

/** Every attempt repeats the sent body: a page has as many attempts as keep it below about this size. */
const sentBodiesMax = 4 * 1024 * 1024;

const cursorForm = idCursor('deliveries');

export function mountDeliveries(router: Router, deps: DeliveriesDeps): void {
  const { authentication, events, attempts } = deps;

  mountOperation(router, operations.listDeliveries, authentication, async ({ query, caller }) => {
    const before = readCursor(cursorForm, query.cursor);
    const page = await listDeliveries(deps, caller, query, before);
    return { status: 200, body: pageResource(cursorForm, page, deliveryResource) };
  });

  mountOperation(router, operations.getDelivery, authentication, async ({ params, caller }) => ({
    status: 200,
    body: deliveryResource(await findDelivery(deps, caller, params.deliveryId)),
  }));

  mountOperation(router, operations.listAttempts, authentication, async ({ params, query, caller }) => {
    const before = readCursor(attemptCursor, query.cursor);
    const { id, eventId } = await findDelivery(deps, caller, params.deliveryId);
    const event = await events.get(eventId);
    if (!event) throw notFound();
    const limit = Math.min(query.limit, Math.max(1, Math.floor(sentBodiesMax / event.body.length)));
    const page = await attempts.list({ deliveryId: id, limit, before });
    const items: AttemptResource[] = [];
    for (const attempt of page.items) items.push(await attemptResource(attempt, event.body));
    return { status: 200, body: pageResource(attemptCursor, { ...page, items }, (item) => item) };
  });
}

async function listDeliveries(
  { customers, endpoints, events, deliveries }: DeliveriesDeps,
  caller: Caller,
  { limit, customerId, endpointId, eventId, type, status, since, until }: ListDeliveriesQuery,
  before: string | null,
): Promise<Page<Delivery>> {
  const allowed = customerFilter(caller, customerId);
  if (allowed !== null) await findCustomer(customers, caller, allowed);
  if (eventId !== undefined) {
    const ofEvent = await events.customerOf(eventId);
    if (ofEvent === null) throw notFound();
    await findCustomer(customers, caller, ofEvent);
  }
  const owner = endpointId === undefined ? allowed : await findOwner(endpoints, caller, endpointId);
  if (allowed !== null && owner !== allowed) return { items: [], next: null };
  const filters = { customerId: owner ?? undefined, endpointId, eventId, type, status };
  return deliveries.list({ ...filters, limit, before, sinceMs: since, untilMs: until });
}

/** Also of a deleted endpoint. The list goes by it, because deliveries are indexed by customer. */
async function findOwner(endpoints: EndpointStore, caller: Caller, endpointId: string): Promise<string> {
  const owner = await endpoints.customerOf(endpointId);
  if (owner === null) throw notFound();
  requireCustomer(caller, owner);
  return owner;
}

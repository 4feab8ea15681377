import { type DeliveryResource, idPrefixes, operations } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore } from '@posthorn/database';
import type { DeliveryStore, EventStore } from '@posthorn/delivery/history';
import { deliveryIdOf, encodeId } from '@posthorn/domain';
import { AppError, type Caller, mayAccess, mountOperation, notFound } from '@posthorn/http';
import { cancelDelivery, cancelMatchingDeliveries, countMatchingDeliveries } from '@posthorn/delivery/cancel';
import { replayDelivery, type ReplayDeps, replayEvent, type ReplayOutcome } from '@posthorn/delivery/replay';
import type { RequestHandler, Router } from 'express';
import { findCustomer } from './customers.js';
import { deliveryResource } from './delivery-resource.js';
import { findDelivery } from './find-delivery.js';
import type { TakeTurn } from './take-turns.js';

export interface DeliveryActionsDeps extends ReplayDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  endpoints: EndpointStore;
  events: EventStore;
  deliveries: DeliveryStore;
  takeTurn: TakeTurn;
}

export function mountDeliveryActions(router: Router, deps: DeliveryActionsDeps): void {
  const { authentication, pool, customers, endpoints, events, takeTurn } = deps;

  mountOperation(router, operations.cancelDeliveries, authentication, async ({ body, caller }) => {
    const { customerId, endpointId, type, status, since, until } = body;
    await findCustomer(customers, caller, customerId);
    if (endpointId !== undefined && (await endpoints.customerOf(endpointId)) !== customerId) throw notFound();
    const filter = { customerId, endpointId, type, status, sinceMs: since, untilMs: until };
    if (body.dryRun) {
      const counted = await takeTurn({ caller, customerId }, () => countMatchingDeliveries(pool, filter));
      return { status: 200 as const, body: counted, unchanged: true };
    }
    const target = {
      customerId,
      ...(endpointId !== undefined && { endpointId: encodeId(idPrefixes.endpoint, endpointId) }),
    };
    return { status: 200, body: await cancelMatchingDeliveries(pool, filter), target };
  });

  mountOperation(router, operations.cancelDelivery, authentication, async ({ params, caller }) => {
    const { id } = await findDelivery(deps, caller, params.deliveryId);
    if (!(await cancelDelivery(pool, id))) {
      throw new AppError({
        code: 'conflict',
        detail: 'The delivery is finished; only pending and held deliveries can be cancelled.',
      });
    }
    return { status: 200, body: await current(deps, caller, id) };
  });

  mountOperation(router, operations.replayDelivery, authentication, async ({ params, caller }) => {
    const { id } = await findDelivery(deps, caller, params.deliveryId);
    const outcome = await replayDelivery(deps, id);
    if (outcome === 'due') {
      throw new AppError({
        code: 'delivery_in_flight',
        detail: 'The delivery is being sent or is about to be; try again after that attempt.',
      });
    }
    refuse(outcome);
    return { status: 200, body: await current(deps, caller, id) };
  });

  mountOperation(router, operations.replayEvent, authentication, async ({ params, body, caller }) => {
    const event = await events.get(params.eventId);
    if (!event) throw notFound();
    await findCustomer(customers, caller, event.customerId);
    const owner = await endpoints.customerOf(body.endpointId);
    if (owner !== event.customerId || !mayAccess(caller, owner)) throw notFound();
    refuse(await replayEvent(deps, event.id, body.endpointId));
    return { status: 200, body: await current(deps, caller, deliveryIdOf(event.id, body.endpointId)) };
  });
}

function refuse(outcome: ReplayOutcome): void {
  switch (outcome) {
    case 'opened':
    case 'held':
    case 'due':
      return;
    case 'not_found':
      throw notFound();
    case 'endpoint_deleted':
      throw new AppError({ code: 'conflict', detail: 'The endpoint is deleted.' });
    case 'one_shot':
      throw new AppError({
        code: 'conflict',
        detail: 'A one-shot can only be sent to its own URL; replay its delivery.',
      });
    case 'test':
      throw new AppError({ code: 'conflict', detail: 'A test cannot be replayed; send another test.' });
    case 'expired':
      throw new AppError({
        code: 'conflict',
        detail: 'The event is too old to be sent again; send a new event.',
      });
  }
}

async function current(deps: DeliveryActionsDeps, caller: Caller, id: string): Promise<DeliveryResource> {
  return deliveryResource(await findDelivery(deps, caller, id));
}

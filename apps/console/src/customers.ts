import {
  type CustomerResource,
  type ErasureReceiptResource,
  operations,
  type PutCustomerBody,
  type PutCustomerResource,
} from '@posthorn/api-contract';
import {
  type Customer,
  type CustomerSettings,
  type CustomerStore,
  type Database,
  keepNotificationEndpoint,
} from '@posthorn/database';
import { operatorCustomerId } from '@posthorn/domain';
import {
  AppError,
  type Caller,
  type CheckTargetUrl,
  mountOperation,
  notFound,
  requireCustomer,
  requireTarget,
  unavailable,
} from '@posthorn/http';
import { eraseCustomer, type EraseCustomerDeps, type ErasureReceipt } from '@posthorn/delivery/erase';
import type { Logger, SecretBox } from '@posthorn/runtime';
import type { RequestHandler, Router } from 'express';
import { customerCursor, pageResource, readCursor } from './cursor.js';

export interface CustomersDeps {
  authentication: RequestHandler;
  database: Pick<Database, 'pool' | 'prisma' | 'clock'>;
  secretBox: SecretBox;
  customers: CustomerStore;
  checkTargetUrl: CheckTargetUrl;
  queue: EraseCustomerDeps['queue'];
  logger: Logger;
}

const BEING_ERASED = 'The customer is being erased; try again when that has ended.';

export function mountCustomers(router: Router, deps: CustomersDeps): void {
  const { authentication, database, customers } = deps;

  mountOperation(router, operations.putCustomer, authentication, async ({ params, body, caller }) => {
    if (body.notificationUrl) requireNotifiable(deps, caller, params.customerId, body.notificationUrl);
    return putCustomer(deps, params.customerId, settingsOf(body));
  });

  mountOperation(router, operations.listCustomers, authentication, async ({ query, caller }) => {
    const before = readCursor(customerCursor, query.cursor);
    const page =
      caller.customerId === null
        ? await customers.list({ limit: query.limit, before })
        : { items: await ownCustomers(customers, caller.customerId), next: null };
    return { status: 200, body: pageResource(customerCursor, page, customerResource) };
  });

  mountOperation(router, operations.getCustomer, authentication, async ({ params, caller }) => ({
    status: 200,
    body: customerFor(caller, await findCustomer(customers, caller, params.customerId)),
  }));

  mountOperation(router, operations.eraseCustomer, authentication, async ({ params }) => {
    if (params.customerId === operatorCustomerId) {
      throw new AppError({
        code: 'conflict',
        detail: 'This customer cannot be erased: it gets the operational events.',
      });
    }
    const outcome = await eraseCustomer({ ...deps, pool: database.pool }, params.customerId);
    switch (outcome.kind) {
      case 'erased':
        return { status: 200, body: receiptResource(outcome.receipt) };
      case 'underway':
        throw new AppError({ code: 'conflict', detail: BEING_ERASED });
      case 'busy':
        throw unavailable('Too many customers are being erased.');
      case 'not_found':
        throw notFound();
    }
  });
}

function requireNotifiable(
  { checkTargetUrl }: CustomersDeps,
  caller: Caller,
  customerId: string,
  url: string,
): void {
  requireTarget(checkTargetUrl, url, 'notificationUrl', caller);
  if (customerId !== operatorCustomerId) return;
  throw new AppError({
    code: 'unprocessable',
    detail: 'This customer gets operational events at its endpoints; it cannot have a notificationUrl.',
    errors: [{ path: 'notificationUrl', message: '"notificationUrl" is not for this customer' }],
  });
}

async function putCustomer(
  { database, secretBox, customers }: CustomersDeps,
  id: string,
  settings: CustomerSettings,
): Promise<{ status: 200 | 201; body: PutCustomerResource }> {
  return database.prisma.$transaction(async (tx) => {
    const outcome = await customers.put(id, settings, tx);
    if (outcome.kind === 'erased') {
      throw new AppError({ code: 'conflict', detail: BEING_ERASED });
    }
    const made = { secretBox, clock: database.clock };
    const notificationSecret = await keepNotificationEndpoint(tx, made, id, settings.notificationUrl);
    return {
      status: outcome.kind === 'created' ? 201 : 200,
      body: {
        ...customerResource(outcome.customer),
        ...(notificationSecret !== null && { notificationSecret }),
      },
    };
  });
}

/** Throws `not_found` for what is not there, not there any more, or another's. */
export async function findCustomer(customers: CustomerStore, caller: Caller, id: string): Promise<Customer> {
  requireCustomer(caller, id);
  const customer = await customers.get(id);
  if (!customer) throw notFound();
  return customer;
}

async function ownCustomers(customers: CustomerStore, id: string): Promise<Customer[]> {
  const customer = await customers.get(id);
  return customer ? [customer] : [];
}

/** The metadata is the operator's own: someone in the portal does not see it. */
function customerFor(caller: Caller, customer: Customer): CustomerResource {
  const resource = customerResource(customer);
  return caller.kind === 'portal' ? { ...resource, metadata: {} } : resource;
}

function settingsOf({ name, metadata, notificationUrl, limits }: PutCustomerBody): CustomerSettings {
  return {
    name: name ?? null,
    metadata: metadata ?? null,
    notificationUrl: notificationUrl ?? null,
    maxInFlight: limits?.maxInFlight ?? null,
    rateLimit: limits?.rateLimit ?? null,
    maxEndpoints: limits?.maxEndpoints ?? null,
  };
}

function customerResource(customer: Customer): CustomerResource {
  const { id, name, metadata, notificationUrl, maxInFlight, rateLimit, maxEndpoints } = customer;
  return {
    id,
    name,
    // Only what putCustomer has let through is stored.
    metadata: (metadata ?? {}) as CustomerResource['metadata'],
    notificationUrl,
    limits: { maxInFlight, rateLimit, maxEndpoints },
    createdAt: customer.createdAt.toISOString(),
    updatedAt: customer.updatedAt.toISOString(),
  };
}

function receiptResource({ customerId, erasedAt, removed }: ErasureReceipt): ErasureReceiptResource {
  return { customerId, erasedAt: erasedAt.toISOString(), removed };
}

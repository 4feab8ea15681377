import {
  type CustomerResource,
  type ErasureReceiptResource,
  operations,
  type PutCustomerBody,
} from '@posthorn/api-contract';
import type { Customer, CustomerSettings, CustomerStore, Database } from '@posthorn/database';
import {
  AppError,
  type Caller,
  type CheckTargetUrl,
  mountOperation,
  notFound,
  requireCustomer,
  requireTarget,
} from '@posthorn/http';
import { eraseCustomer, type ErasureReceipt } from '@posthorn/pipeline';
import type { RequestHandler, Router } from 'express';
import { customerCursor, pageResource, readCursor } from './cursor.js';

export interface CustomersDeps {
  authentication: RequestHandler;
  pool: Database['pool'];
  customers: CustomerStore;
  checkTargetUrl: CheckTargetUrl;
}

export function mountCustomers(
  router: Router,
  { authentication, pool, customers, checkTargetUrl }: CustomersDeps,
): void {
  mountOperation(router, operations.putCustomer, authentication, async ({ params, body }) => {
    if (body.notificationUrl) requireTarget(checkTargetUrl, body.notificationUrl, 'notificationUrl');
    const outcome = await customers.put(params.customerId, settingsOf(body));
    if (outcome.kind === 'erased') {
      throw new AppError({
        code: 'conflict',
        detail: 'The customer of this id is being erased; ask again when that is done.',
      });
    }
    return { status: outcome.kind === 'created' ? 201 : 200, body: customerResource(outcome.customer) };
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
    const receipt = await eraseCustomer(pool, params.customerId);
    if (!receipt) throw notFound();
    return { status: 200, body: receiptResource(receipt) };
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

function receiptResource({ customerId, erasedAt, ...removed }: ErasureReceipt): ErasureReceiptResource {
  return { customerId, erasedAt: erasedAt.toISOString(), removed };
}

import type { CustomerStore, EndpointStore } from '@posthorn/database';
import { type Caller, customerFilter, notFound, requireCustomer } from '@posthorn/http';
import { findCustomer } from './customers.js';

/** Whose history is asked for: of one endpoint (then also its customer's id), of one customer, or of all. */
export async function findHistoryOwner(
  { customers, endpoints }: { customers: CustomerStore; endpoints: EndpointStore },
  caller: Caller,
  asked: { customerId?: string; endpointId?: string },
): Promise<{ customerId?: string; endpointId?: string }> {
  const { endpointId } = asked;
  const allowed = customerFilter(caller, asked.customerId);
  if (allowed !== null) await findCustomer(customers, caller, allowed);
  if (endpointId === undefined) return allowed === null ? {} : { customerId: allowed };
  const owner = await endpoints.customerOf(endpointId);
  if (owner === null || (allowed !== null && owner !== allowed)) throw notFound();
  requireCustomer(caller, owner);
  return { customerId: owner, endpointId };
}

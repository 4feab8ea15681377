import type { Endpoint, EndpointStore } from '@posthorn/database';
import { type Caller, mayAccess, notFound } from '@posthorn/http';

/** The endpoint, if it is there and the caller's. */
export async function findEndpoint(endpoints: EndpointStore, caller: Caller, id: string): Promise<Endpoint> {
  const endpoint = await endpoints.get(id);
  if (!endpoint || !mayAccess(caller, endpoint.customerId)) throw notFound();
  return endpoint;
}

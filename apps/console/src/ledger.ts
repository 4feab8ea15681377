import { operations } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore, LedgerStore } from '@posthorn/database';
import { customerFilter, mountOperation, notFound, requireCustomer } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { findCustomer } from './customers.js';

export interface LedgerDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  endpoints: EndpointStore;
  ledger: LedgerStore;
}

export function mountLedger(
  router: Router,
  { authentication, customers, endpoints, ledger }: LedgerDeps,
): void {
  mountOperation(router, operations.getLedger, authentication, async ({ query, caller }) => {
    const { endpointId, since, until } = query;
    const allowed = customerFilter(caller, query.customerId);
    if (allowed !== null) await findCustomer(customers, caller, allowed);
    const owner = endpointId === undefined ? allowed : await endpoints.customerOf(endpointId);
    if (endpointId !== undefined) {
      if (owner === null || (allowed !== null && owner !== allowed)) throw notFound();
      requireCustomer(caller, owner);
    }
    const customerId = owner ?? undefined;
    return {
      status: 200,
      body: await ledger.read({ customerId, endpointId, sinceMs: since, untilMs: until }),
    };
  });
}

import { operations } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore, LedgerStore } from '@posthorn/database';
import { mountOperation } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { findHistoryOwner } from './history-owner.js';

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
    const owner = await findHistoryOwner({ customers, endpoints }, caller, query);
    return {
      status: 200,
      body: await ledger.read({ ...owner, sinceMs: query.since, untilMs: query.until }),
    };
  });
}

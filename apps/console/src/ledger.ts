import { operations } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore } from '@posthorn/database';
import type { LedgerStore } from '@posthorn/delivery/history';
import { mountOperation } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { findHistoryOwner } from './history-owner.js';
import type { TakeTurn } from './take-turns.js';

export interface LedgerDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  endpoints: EndpointStore;
  ledger: LedgerStore;
  takeTurn: TakeTurn;
}

export function mountLedger(
  router: Router,
  { authentication, customers, endpoints, ledger, takeTurn }: LedgerDeps,
): void {
  mountOperation(router, operations.getLedger, authentication, async ({ query, caller }) => {
    const owner = await findHistoryOwner({ customers, endpoints }, caller, query);
    const asked = { ...owner, sinceMs: query.since, untilMs: query.until };
    const { customerId } = owner;
    return { status: 200, body: await takeTurn({ caller, customerId }, () => ledger.read(asked)) };
  });
}

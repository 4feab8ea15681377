import { operations } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore, Ledger, LedgerQuery, LedgerStore } from '@posthorn/database';
import { mountOperation, unavailable } from '@posthorn/http';
import { createGroupCommit, GroupCommitOverloaded } from '@posthorn/runtime';
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
  const read = fewAtATime(ledger);

  mountOperation(router, operations.getLedger, authentication, async ({ query, caller }) => {
    const owner = await findHistoryOwner({ customers, endpoints }, caller, query);
    return { status: 200, body: await read({ ...owner, sinceMs: query.since, untilMs: query.until }) };
  });
}

/**
 * A ledger counts rows, which takes seconds for a long time of a large customer. Whoever asks for many of them must not
 * take the connections from everybody else.
 */
function fewAtATime(ledger: LedgerStore): (query: LedgerQuery) => Promise<Ledger> {
  const read = createGroupCommit<LedgerQuery, Ledger>({
    commit: (queries) => Promise.all(queries.map((query) => ledger.read(query))),
    batchMax: 1,
    concurrencyMax: readsMax,
    queueMax: waitingMax,
    isRetryableRowByRow: () => false,
  });
  return async (query) => {
    try {
      return await read(query);
    } catch (error) {
      if (!(error instanceof GroupCommitOverloaded)) throw error;
      throw unavailable('Too many ledgers are being counted.', error);
    }
  };
}

const readsMax = 2;
const waitingMax = 50;

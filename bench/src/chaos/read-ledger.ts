import { setTimeout as pause } from 'node:timers/promises';

import type { OperatorClient } from './operator-client.js';

/** What `GET /v1/ledger` answers. */
export interface LedgerView {
  accepted: number;
  delivered: number;
  pending: number;
  held: number;
  deadLettered: number;
  cancelled: number;
}

const ANSWERED_WITHIN_MS = 30_000;

/** Says what does not add up; null where it balances. */
export function ledgerProblem(ledger: LedgerView): string | null {
  const { accepted, delivered, pending, held, deadLettered, cancelled } = ledger;
  const counted = delivered + pending + held + deadLettered + cancelled;
  return accepted === counted ? null : `${accepted} accepted, ${counted} counted: ${JSON.stringify(ledger)}`;
}

export interface FinalLedger {
  /** Of everything. */
  total: LedgerView;
  /** Ledgers read: of everything, of each customer and of each endpoint. */
  read: number;
  problems: string[];
}

/** The ledger as an operator reads it when all is quiet: as a whole, by customer and by endpoint, which must agree. */
export async function readFinalLedger(
  client: OperatorClient,
  customerIds: readonly string[],
  endpointIds: readonly string[],
): Promise<FinalLedger> {
  const problems: string[] = [];
  const note = (name: string, ledger: LedgerView): LedgerView => {
    const problem = ledgerProblem(ledger);
    if (problem !== null) problems.push(`${name}: ${problem}`);
    return ledger;
  };
  const total = note('everything', await read(client, ''));
  const parts = { customers: [] as LedgerView[], endpoints: [] as LedgerView[] };
  for (const id of customerIds) parts.customers.push(note(id, await read(client, `?customerId=${id}`)));
  for (const id of endpointIds) parts.endpoints.push(note(id, await read(client, `?endpointId=${id}`)));
  for (const [name, ledgers] of Object.entries(parts)) {
    const sum = ledgers.reduce((accepted, ledger) => accepted + ledger.accepted, 0);
    if (sum !== total.accepted) problems.push(`all ${name} together: ${sum} accepted, not ${total.accepted}`);
  }
  return { total, read: 1 + customerIds.length + endpointIds.length, problems };
}

async function read(client: OperatorClient, query: string): Promise<LedgerView> {
  const untilMs = Date.now() + ANSWERED_WITHIN_MS;
  for (;;) {
    const answer = await client.call<LedgerView>('GET', `/v1/ledger${query}`);
    if (answer.kind === 'done') return answer.body;
    if (answer.kind !== 'unavailable' || Date.now() > untilMs)
      throw new Error(`The ledger cannot be read: ${JSON.stringify(answer)}`);
    await pause(200);
  }
}

import { expectStatus, type Posthorn } from './start-posthorn.js';

export interface AttemptSummary {
  number: number;
  status: string;
}

/** A delivery's attempts in order. */
export async function attemptsOf(posthorn: Posthorn, deliveryId: string): Promise<AttemptSummary[]> {
  const { body } = await expectStatus(
    posthorn.call<{ data: AttemptSummary[] }>('GET', `/v1/deliveries/${deliveryId}/attempts`),
    200,
  );
  return body.data.map(({ number, status }) => ({ number, status })).sort((a, b) => a.number - b.number);
}

export interface Ledger {
  accepted: number;
  delivered: number;
  pending: number;
  held: number;
  deadLettered: number;
  cancelled: number;
}

export async function ledgerOf(posthorn: Posthorn, customerId: string): Promise<Ledger> {
  const { body } = await expectStatus(
    posthorn.call<Ledger & { unmatchedEvents: number }>('GET', `/v1/ledger?customerId=${customerId}`),
    200,
  );
  const { unmatchedEvents: _, ...ledger } = body;
  return ledger;
}

/** Where everything that was accepted was delivered. */
export function allDelivered(deliveries: number): Ledger {
  return { accepted: deliveries, delivered: deliveries, pending: 0, held: 0, deadLettered: 0, cancelled: 0 };
}

import type { EndpointStatus } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type { Prisma, PrismaClient } from '../generated/client.js';
import { currentFirst, type EndpointSettings, liveSecrets, settingsOf } from './endpoint-record.js';
import { rateLimitOf, type RateLimit } from './rate-limit.js';
import { openSecret } from './sealed-endpoint.js';

/** An endpoint whose sealed values do not open (a key is missing) must not stop the others of its batch. */
export type EndpointForDelivery =
  | { kind: 'ready'; endpoint: DeliveryEndpoint }
  | { kind: 'unreadable'; status: EndpointStatus; error: unknown };

/** An endpoint as an attempt needs it, secrets and headers opened. */
export interface DeliveryEndpoint extends Omit<EndpointSettings, 'description' | 'eventTypes'> {
  id: string;
  customerId: string;
  status: EndpointStatus;
  /** The current one first, then those that sign along, newest first. Look at the expiry again when signing: this may be cached. */
  secrets: { value: string; expiresAt: Date | null }[];
  /** Changes when the endpoint is to be judged anew. */
  healthEpoch: number;
  customer: { maxInFlight: number | null; rateLimit: RateLimit | null };
}

/** Everything attempts need of these endpoints, in one batch. Deleted ones and those of erased customers are left out. */
export async function readForDelivery(
  { prisma, secretBox, clock }: { prisma: PrismaClient; secretBox: SecretBox; clock: Clock },
  ids: readonly string[],
): Promise<Map<string, EndpointForDelivery>> {
  const rows = await prisma.endpoint.findMany({
    where: { id: { in: [...ids] }, deletedAt: null, customer: { erasedAt: null } },
    include: { secrets: liveSecrets(clock.nowMs()), customer: true },
  });
  return new Map(rows.map((row) => [row.id, open(row, secretBox)]));
}

type Row = Prisma.EndpointGetPayload<{ include: { secrets: true; customer: true } }>;

function open(row: Row, secretBox: SecretBox): EndpointForDelivery {
  const status = row.status as EndpointStatus;
  try {
    const { url, headers, signing, retryPolicy, maxInFlight, rateLimit } = settingsOf(row, secretBox);
    const secrets = currentFirst(row.secrets).map(({ sealed, expiresAt }) => ({
      value: openSecret(secretBox, row.id, sealed),
      expiresAt,
    }));
    const customer = { maxInFlight: row.customer.maxInFlight, rateLimit: rateLimitOf(row.customer) };
    const { id, customerId } = row;
    return {
      kind: 'ready',
      endpoint: {
        id,
        customerId,
        url,
        status,
        headers,
        signing,
        secrets,
        retryPolicy,
        maxInFlight,
        rateLimit,
        healthEpoch: row.healthEpoch,
        customer,
      },
    };
  } catch (error) {
    return { kind: 'unreadable', status, error };
  }
}

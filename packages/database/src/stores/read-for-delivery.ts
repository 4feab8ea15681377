import type { EndpointStatus } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type { Prisma, PrismaClient } from '../generated/client.js';
import { currentFirst, type EndpointSettings, liveSecrets, settingsOf } from './endpoint-record.js';
import { rateLimitOf, type RateLimit } from './rate-limit.js';
import { openSecret } from './sealed-endpoint.js';
import { openOneShotSecret } from './sealed-one-shot.js';

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
  /** Set for a lane of one-shots: each has its own URL, headers and retry policy, and its customer's secret signs. */
  oneShots: { shared: boolean } | null;
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
  const customersOfLanes = rows.filter(isLane).map(({ customerId }) => customerId);
  const oneShotSecrets = await readOneShotSecrets(prisma, customersOfLanes, clock.nowMs());
  return new Map(rows.map((row) => [row.id, open(row, secretBox, oneShotSecrets)]));
}

type Row = Prisma.EndpointGetPayload<{ include: { secrets: true; customer: true } }>;

function isLane({ kind }: Row): boolean {
  return kind === 'one_shot';
}

async function readOneShotSecrets(
  prisma: PrismaClient,
  customerIds: string[],
  nowMs: number,
): Promise<Prisma.OneShotSecretModel[]> {
  if (customerIds.length === 0) return [];
  return prisma.oneShotSecret.findMany({
    where: { customerId: { in: customerIds }, ...liveSecrets(nowMs).where },
  });
}

function open(
  row: Row,
  secretBox: SecretBox,
  oneShotSecrets: readonly Prisma.OneShotSecretModel[],
): EndpointForDelivery {
  const status = row.status as EndpointStatus;
  try {
    const { url, headers, signing, retryPolicy, maxInFlight, rateLimit } = settingsOf(row, secretBox);
    const secrets = isLane(row) ? openCustomers(row, oneShotSecrets, secretBox) : openOwn(row, secretBox);
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
        oneShots: isLane(row) ? { shared: row.shared } : null,
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

function openOwn({ id, secrets }: Row, secretBox: SecretBox): DeliveryEndpoint['secrets'] {
  return currentFirst(secrets).map(({ sealed, expiresAt }) => ({
    value: openSecret(secretBox, id, sealed),
    expiresAt,
  }));
}

function openCustomers(
  { customerId }: Row,
  secrets: readonly Prisma.OneShotSecretModel[],
  secretBox: SecretBox,
): DeliveryEndpoint['secrets'] {
  return currentFirst(secrets.filter((secret) => secret.customerId === customerId)).map(
    ({ sealed, expiresAt }) => ({ value: openOneShotSecret(secretBox, customerId, sealed), expiresAt }),
  );
}

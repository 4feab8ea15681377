import { createUuidV7, type EndpointKind, generateSigningSecret } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type { Transaction } from '../database.js';
import type { Prisma, PrismaClient } from '../generated/client.js';
import {
  columnsOf,
  type Endpoint,
  endpointOf,
  endpointSecretsMax,
  type EndpointSettings,
  settingsOf,
  withParts,
} from './endpoint-record.js';
import { lockCustomer } from './lock-customer.js';
import { cutPage, type Page } from './page.js';
import { type EndpointForDelivery, readForDelivery } from './read-for-delivery.js';
import { readRoutes, type CustomerRoutes } from './read-routes.js';
import { sealSecret } from './sealed-endpoint.js';

export type CreateEndpointOutcome =
  | { kind: 'created'; endpoint: Endpoint; secret: string }
  | { kind: 'unknown_customer' }
  | { kind: 'limit_reached'; maxEndpoints: number };

export type RotateSecretOutcome =
  | { kind: 'rotated'; secret: string; createdAt: Date; previousExpiresAt: Date | null }
  | { kind: 'unknown_endpoint' }
  | { kind: 'too_many_secrets' };

export interface EndpointStore {
  /** Makes the endpoint and its first secret, which this answer alone shows; in the transaction given, or one of its own. The limit on the customer's endpoints holds under concurrency; those that are there stay. */
  create(customerId: string, settings: EndpointSettings, tx?: Transaction): Promise<CreateEndpointOutcome>;
  /** Null for unknown and deleted ones, those of an erased customer, and hidden ones; the same everywhere below. */
  get(id: string): Promise<Endpoint | null>;
  list(query: { customerId: string; limit: number; before: string | null }): Promise<Page<Endpoint>>;
  /** `change` gets the settings as they are, nobody else changing them meanwhile; what it throws leaves them so. */
  patch(id: string, change: (current: EndpointSettings) => EndpointSettings): Promise<Endpoint | null>;
  /**
   * The secret so far signs along for `overlapSeconds`; with 0 the new one signs alone from now on. Refused when more
   * than `endpointSecretsMax` would sign. In the transaction given, or one of its own.
   */
  rotateSecret(
    id: string,
    rotation: { overlapSeconds: number; secret?: string },
    tx?: Transaction,
  ): Promise<RotateSecretOutcome>;
  /** The customer an endpoint belongs to, also of a deleted one or a lane of one-shots: their history is still there. */
  customerOf(id: string): Promise<string | null>;
  readForDelivery(ids: readonly string[]): Promise<Map<string, EndpointForDelivery>>;
  readRoutes(customerId: string): Promise<CustomerRoutes | null>;
}

export interface EndpointStoreDeps {
  prisma: PrismaClient;
  secretBox: SecretBox;
  clock: Clock;
  /** What a customer may have without a limit of its own. Default 500. */
  endpointsMax?: number;
}

const ENDPOINTS_MAX = 500;

export function createEndpointStore(deps: EndpointStoreDeps): EndpointStore {
  const { prisma, secretBox, clock } = deps;
  return {
    create: (customerId, settings, tx) =>
      tx
        ? create(deps, tx, customerId, settings)
        : prisma.$transaction((own) => create(deps, own, customerId, settings)),

    async get(id) {
      const row = await findEndpoint(prisma, clock, id);
      return row && endpointOf(row, secretBox, clock.nowMs());
    },

    async list({ customerId, limit, before }) {
      const rows = await prisma.endpoint.findMany({
        where: { ...registered, customerId, ...(before !== null && { id: { lt: before } }) },
        include: withParts(clock.nowMs()),
        orderBy: { id: 'desc' },
        take: limit + 1,
      });
      return cutPage(
        rows,
        limit,
        (row) => endpointOf(row, secretBox, clock.nowMs()),
        ({ id }) => id,
      );
    },

    patch: (id, change) => patch(deps, id, change),

    rotateSecret: (id, { overlapSeconds, secret = generateSigningSecret() }, tx) =>
      tx
        ? rotateSecret(deps, tx, id, overlapSeconds, secret)
        : prisma.$transaction((own) => rotateSecret(deps, own, id, overlapSeconds, secret)),

    async customerOf(id) {
      const row = await prisma.endpoint.findFirst({
        where: { id, customer: { erasedAt: null } },
        select: { customerId: true },
      });
      return row?.customerId ?? null;
    },

    readForDelivery: (ids) => readForDelivery(deps, ids),
    readRoutes: (customerId) => readRoutes(prisma, customerId),
  };
}

/** Those that Posthorn made for itself are nobody's to see or change. */
const registered = {
  kind: 'registered' satisfies EndpointKind,
  deletedAt: null,
  customer: { erasedAt: null },
} satisfies Prisma.EndpointWhereInput;

async function create(
  { secretBox, clock, endpointsMax = ENDPOINTS_MAX }: EndpointStoreDeps,
  tx: Transaction,
  customerId: string,
  settings: EndpointSettings,
): Promise<CreateEndpointOutcome> {
  const secret = generateSigningSecret();
  const customer = await lockCustomer(tx, customerId);
  if (!customer) return { kind: 'unknown_customer' };
  const maxEndpoints = customer.maxEndpoints ?? endpointsMax;
  const count = await tx.endpoint.count({ where: { ...registered, customerId } });
  if (count >= maxEndpoints) return { kind: 'limit_reached', maxEndpoints };
  const id = createUuidV7(clock.nowMs());
  const row = await tx.endpoint.create({
    data: {
      ...columnsOf(id, settings, secretBox),
      id,
      url: settings.url,
      eventTypes: settings.eventTypes,
      customerId,
      secrets: { create: sealedSecret(id, secret, secretBox, clock) },
    },
    include: withParts(clock.nowMs()),
  });
  return { kind: 'created', endpoint: endpointOf(row, secretBox, clock.nowMs()), secret };
}

async function patch(
  { prisma, secretBox, clock }: EndpointStoreDeps,
  id: string,
  change: (current: EndpointSettings) => EndpointSettings,
): Promise<Endpoint | null> {
  return prisma.$transaction(async (tx) => {
    await lockEndpoint(tx, id);
    const row = await findEndpoint(tx, clock, id);
    if (!row) return null;
    const current = settingsOf(row, secretBox);
    const changed = differences(current, change(current));
    if (Object.keys(changed).length === 0) return endpointOf(row, secretBox, clock.nowMs());
    const updated = await tx.endpoint.update({
      where: { id },
      data: { ...columnsOf(id, changed, secretBox), updatedAt: new Date(clock.nowMs()) },
      include: withParts(clock.nowMs()),
    });
    return endpointOf(updated, secretBox, clock.nowMs());
  });
}

async function rotateSecret(
  { secretBox, clock }: EndpointStoreDeps,
  tx: Transaction,
  id: string,
  overlapSeconds: number,
  secret: string,
): Promise<RotateSecretOutcome> {
  await lockEndpoint(tx, id);
  const row = await findEndpoint(tx, clock, id);
  if (!row) return { kind: 'unknown_endpoint' };
  if (overlapSeconds > 0 && row.secrets.length >= endpointSecretsMax) return { kind: 'too_many_secrets' };
  const previousExpiresAt = await retireSecrets(tx, id, overlapSeconds, clock.nowMs());
  const { createdAt } = await tx.endpointSecret.create({
    data: { endpointId: id, ...sealedSecret(id, secret, secretBox, clock) },
  });
  return { kind: 'rotated', secret, createdAt, previousExpiresAt };
}

/** What no longer signs is deleted: a secret at rest is only a risk. */
async function retireSecrets(
  tx: Prisma.TransactionClient,
  endpointId: string,
  overlapSeconds: number,
  nowMs: number,
): Promise<Date | null> {
  if (overlapSeconds === 0) {
    await tx.endpointSecret.deleteMany({ where: { endpointId } });
    return null;
  }
  await tx.endpointSecret.deleteMany({ where: { endpointId, expiresAt: { lte: new Date(nowMs) } } });
  const expiresAt = new Date(nowMs + overlapSeconds * 1000);
  await tx.endpointSecret.updateMany({ where: { endpointId, expiresAt: null }, data: { expiresAt } });
  return expiresAt;
}

async function lockEndpoint(tx: Prisma.TransactionClient, id: string): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM endpoint WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
}

function findEndpoint(client: Prisma.TransactionClient, clock: Clock, id: string) {
  return client.endpoint.findFirst({
    where: { ...registered, id },
    include: withParts(clock.nowMs()),
  });
}

function sealedSecret(endpointId: string, secret: string, secretBox: SecretBox, clock: Clock) {
  return {
    id: createUuidV7(clock.nowMs()),
    sealed: sealSecret(secretBox, endpointId, secret),
  };
}

function differences(before: EndpointSettings, after: EndpointSettings): Partial<EndpointSettings> {
  const changed = Object.entries(after).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name as keyof EndpointSettings]),
  );
  return Object.fromEntries(changed);
}

import type { EndpointStatus, RetryPolicyInput, SigningScheme } from '@posthorn/domain';
import type { SecretBox } from '@posthorn/runtime';
import { Prisma } from '../generated/client.js';
import { rateLimitOf, type RateLimit } from './rate-limit.js';
import { openHeaders, sealHeaders } from './sealed-endpoint.js';

export interface EndpointSettings {
  url: string;
  eventTypes: string[];
  description: string | null;
  /** Custom request headers, in clear; only in memory. */
  headers: Record<string, string>;
  signing: { scheme: SigningScheme };
  retryPolicy: RetryPolicyInput | null;
  maxInFlight: number | null;
  rateLimit: RateLimit | null;
}

/** What an endpoint's owner may see: of headers the names, of secrets their times. */
export interface Endpoint extends Omit<EndpointSettings, 'headers'> {
  id: string;
  customerId: string;
  headerNames: string[];
  status: EndpointStatus;
  disabledReason: string | null;
  /** Those that still sign, the current one (without expiry) first. */
  secrets: SecretDescription[];
  createdAt: Date;
  updatedAt: Date;
}

export interface SecretDescription {
  createdAt: Date;
  expiresAt: Date | null;
}

export type EndpointRow = Prisma.EndpointGetPayload<{ include: { secrets: true } }>;

/** Secrets that sign now; the current one first, then the one that expires last. */
export function liveSecrets(nowMs: number) {
  return {
    where: { OR: [{ expiresAt: null }, { expiresAt: { gt: new Date(nowMs) } }] },
    orderBy: { expiresAt: { sort: 'desc', nulls: 'first' } },
  } satisfies Prisma.Endpoint$secretsArgs;
}

export function endpointOf(row: EndpointRow, secretBox: SecretBox): Endpoint {
  const { headers, ...settings } = settingsOf(row, secretBox);
  return {
    ...settings,
    id: row.id,
    customerId: row.customerId,
    headerNames: Object.keys(headers),
    status: row.status as EndpointStatus,
    disabledReason: row.disabledReason,
    secrets: row.secrets.map(({ createdAt, expiresAt }) => ({ createdAt, expiresAt })),
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}

export function settingsOf(row: Prisma.EndpointModel, secretBox: SecretBox): EndpointSettings {
  return {
    url: row.url,
    eventTypes: row.eventTypes,
    description: row.description,
    headers: openHeaders(secretBox, row.id, row.headersSealed),
    signing: { scheme: row.signingScheme as SigningScheme },
    retryPolicy: row.retryPolicy as RetryPolicyInput | null,
    maxInFlight: row.maxInFlight,
    rateLimit: rateLimitOf(row),
  };
}

/** The columns of the settings given, and only of those: triggers look at which columns an update names. */
export function columnsOf(id: string, settings: Partial<EndpointSettings>, secretBox: SecretBox) {
  const { headers, signing, retryPolicy, rateLimit, ...plain } = settings;
  return {
    ...plain,
    ...(signing !== undefined && { signingScheme: signing.scheme }),
    ...(headers !== undefined && { headersSealed: sealHeaders(secretBox, id, headers) }),
    ...(retryPolicy !== undefined && {
      retryPolicy: retryPolicy === null ? Prisma.DbNull : (retryPolicy as Prisma.InputJsonObject),
    }),
    ...(rateLimit !== undefined && {
      rateLimitMax: rateLimit?.max ?? null,
      rateLimitPerSeconds: rateLimit?.perSeconds ?? null,
    }),
  };
}

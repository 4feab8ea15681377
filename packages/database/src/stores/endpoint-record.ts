import {
  type BreakerState,
  breakerStateAt,
  type DigestAlgorithm,
  type EndpointDisabledReason,
  type EndpointStatus,
  type RetryPolicyInput,
  type Signing,
  HEALTHY,
} from '@posthorn/domain';
import type { SecretBox } from '@posthorn/runtime';
import { Prisma } from '../generated/client.js';
import { rateLimitOf, type RateLimit } from './rate-limit.js';
import { openHeaders, sealHeaders } from './sealed-endpoint.js';

/** Secrets of one endpoint that sign at the same time, the current one included: each adds a signature to every request. */
export const endpointSecretsMax = 5;

export interface EndpointSettings {
  url: string;
  eventTypes: string[];
  description: string | null;
  /** Custom request headers, in clear; only in memory. */
  headers: Record<string, string>;
  signing: Signing;
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
  /** `openUntil` is set while it is open. */
  breaker: { state: BreakerState; openUntil: Date | null };
  /** 0 to 100. */
  healthScore: number;
  /** When the first of the attempts started that have all failed since; null while it works. */
  failingSince: Date | null;
  /** Those that still sign, the current one (without expiry) first, the oldest last. */
  secrets: SecretDescription[];
  createdAt: Date;
  updatedAt: Date;
}

export interface SecretDescription {
  createdAt: Date;
  expiresAt: Date | null;
}

export type EndpointRow = Prisma.EndpointGetPayload<{
  include: { secrets: true; health: true; failing: true };
}>;

/** What belongs to an endpoint as its owner sees it. */
export function withParts(nowMs: number) {
  return { secrets: liveSecrets(nowMs), health: true, failing: true } satisfies Prisma.EndpointInclude;
}

/** Secrets that sign now. */
export function liveSecrets(nowMs: number) {
  return {
    where: { OR: [{ expiresAt: null }, { expiresAt: { gt: new Date(nowMs) } }] },
  } satisfies Prisma.Endpoint$secretsArgs;
}

/** The current one first, then from the newest to the oldest, which need not be the first to expire. */
export function currentFirst<T extends SecretDescription>(secrets: readonly T[]): T[] {
  return secrets.toSorted((a, b) => {
    if (a.expiresAt === null || b.expiresAt === null) return a.expiresAt === null ? -1 : 1;
    return b.createdAt.getTime() - a.createdAt.getTime();
  });
}

export function endpointOf(row: EndpointRow, secretBox: SecretBox, nowMs: number): Endpoint {
  const { headers, ...settings } = settingsOf(row, secretBox);
  const health = row.health?.epoch === row.healthEpoch ? row.health : null;
  const state = breakerStateAt(health?.openUntil?.getTime() ?? null, nowMs);
  return {
    ...settings,
    id: row.id,
    customerId: row.customerId,
    headerNames: Object.keys(headers),
    status: row.status as EndpointStatus,
    disabledReason: row.disabledReason,
    breaker: { state, openUntil: state === 'open' ? (health?.openUntil ?? null) : null },
    healthScore: Math.round(health?.score ?? HEALTHY.score),
    failingSince: failingSince(row),
    secrets: currentFirst(row.secrets).map(({ createdAt, expiresAt }) => ({ createdAt, expiresAt })),
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}

/** Also of one that was disabled for it, which makes it another one for its breaker. */
function failingSince({ failing, healthEpoch, disabledReason }: EndpointRow): Date | null {
  const counts =
    failing?.epoch === healthEpoch || disabledReason === ('failing' satisfies EndpointDisabledReason);
  return counts ? (failing?.since ?? null) : null;
}

export function settingsOf(row: Prisma.EndpointModel, secretBox: SecretBox): EndpointSettings {
  return {
    url: row.url,
    eventTypes: row.eventTypes,
    description: row.description,
    headers: openHeaders(secretBox, row.id, row.headersSealed),
    signing: signingOf(row),
    retryPolicy: row.retryPolicy as RetryPolicyInput | null,
    maxInFlight: row.maxInFlight,
    rateLimit: rateLimitOf(row),
  };
}

/** A CHECK keeps the algorithm with the scheme that has one. */
function signingOf({ signingScheme, signingAlgorithm }: Prisma.EndpointModel): Signing {
  if (signingAlgorithm !== null) {
    return { scheme: 'digest', algorithm: signingAlgorithm as DigestAlgorithm };
  }
  return { scheme: signingScheme as Exclude<Signing['scheme'], 'digest'> };
}

/** The columns of the settings given, and only of those: triggers look at which columns an update names. */
export function columnsOf(id: string, settings: Partial<EndpointSettings>, secretBox: SecretBox) {
  const { headers, signing, retryPolicy, rateLimit, ...plain } = settings;
  return {
    ...plain,
    ...(signing !== undefined && {
      signingScheme: signing.scheme,
      signingAlgorithm: signing.scheme === 'digest' ? signing.algorithm : null,
    }),
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

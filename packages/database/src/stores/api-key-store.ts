import { createHash, randomBytes } from 'node:crypto';
import { createUuidV7 } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';
import type { Transaction } from '../database.js';
import { Prisma, type PrismaClient } from '../generated/client.js';
import { cutPage, type Page } from './page.js';
import { rateLimitOf, type RateLimit } from './rate-limit.js';

export type ApiKeyScope = 'events:write' | 'deliveries:write' | 'read' | 'admin';

export interface ApiKey {
  id: string;
  name: string | null;
  /** The key's first characters. */
  hint: string;
  scopes: ApiKeyScope[];
  /** Set: the key is restricted to this customer. */
  customerId: string | null;
  /** Of its requests; null: the default. */
  rateLimit: RateLimit | null;
  createdAt: Date;
  lastUsedAt: Date | null;
}

export interface NewApiKey {
  name: string | null;
  scopes: readonly ApiKeyScope[];
  customerId: string | null;
  rateLimit?: RateLimit | null;
}

/** What can be changed of a key. */
export type ApiKeySettings = Pick<ApiKey, 'name' | 'rateLimit'>;

/** `key` is the whole key; nothing can read it again later. */
export type CreateApiKeyOutcome =
  { kind: 'created'; apiKey: ApiKey; key: string } | { kind: 'unknown_customer' };

/** `there`: it was valid already. `revoked`: it is not valid, nor will it be again. */
export type EnsureApiKeyOutcome = 'made' | 'there' | 'revoked';

export interface ApiKeyStore {
  /** In the transaction given, or one of its own. */
  create(key: NewApiKey, tx?: Transaction): Promise<CreateApiKeyOutcome>;
  /**
   * Makes sure that this given key exists, whoever else does so at the same moment; one that exists keeps its scopes.
   * A key that was revoked stays revoked.
   */
  ensure(key: string, settings: Pick<NewApiKey, 'name' | 'scopes'>): Promise<EnsureApiKeyOutcome>;
  list(query: { limit: number; before: string | null }): Promise<Page<ApiKey>>;
  /** Null when there is no such key, or no longer. What `change` throws is passed on, and nothing is changed. */
  patch(id: string, change: (current: ApiKeySettings) => ApiKeySettings): Promise<ApiKey | null>;
  /** The key that is not valid any more; null when there is no such key, or no longer. */
  revoke(id: string): Promise<ApiKey | null>;
  /** By SHA-256 of the whole key. Not for revoked keys, nor for those of an erased customer. */
  findByHash(hash: Uint8Array): Promise<ApiKey | null>;
  /** Only moves forward; unknown ids are skipped. */
  touchLastUsed(uses: readonly { id: string; usedAt: Date }[]): Promise<void>;
}

export function createApiKeyStore({ prisma, clock }: { prisma: PrismaClient; clock: Clock }): ApiKeyStore {
  return {
    create: (key, tx) =>
      tx ? create(tx, clock, key) : prisma.$transaction((own) => create(own, clock, key)),

    async ensure(key, { name, scopes }) {
      const data = { id: createUuidV7(clock.nowMs()), name, scopes: [...scopes], ...identityOf(key) };
      const { count } = await prisma.apiKey.createMany({ data, skipDuplicates: true });
      if (count > 0) return 'made';
      const valid = await prisma.apiKey.findFirst({
        where: { ...live, hash: data.hash },
        select: { id: true },
      });
      return valid ? 'there' : 'revoked';
    },

    async list({ limit, before }) {
      const rows = await prisma.apiKey.findMany({
        where: { ...live, ...(before !== null && { id: { lt: before } }) },
        orderBy: { id: 'desc' },
        take: limit + 1,
      });
      return cutPage(rows, limit, apiKeyOf, ({ id }) => id);
    },

    patch: (id, change) => prisma.$transaction((tx) => patch(tx, clock, id, change)),

    async revoke(id) {
      const now = new Date(clock.nowMs());
      const [row] = await prisma.apiKey.updateManyAndReturn({
        where: { id, revokedAt: null },
        data: { revokedAt: now, updatedAt: now },
      });
      return row === undefined ? null : apiKeyOf(row);
    },

    async findByHash(hash) {
      const row = await prisma.apiKey.findFirst({ where: { ...live, hash: Uint8Array.from(hash) } });
      return row && apiKeyOf(row);
    },

    async touchLastUsed(uses) {
      if (uses.length === 0) return;
      // Rows are locked in id order: two processes that report the same keys must not wait for each other.
      await prisma.$executeRaw`
        WITH used AS (
          SELECT id, max(used_at) AS used_at
            FROM unnest(${uses.map(({ id }) => id)}::uuid[], ${uses.map(({ usedAt }) => usedAt)}::timestamptz[]) AS u (id, used_at)
           GROUP BY id
        ), locked AS (
          SELECT id FROM api_key WHERE id IN (SELECT id FROM used) ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE api_key k SET last_used_at = GREATEST(k.last_used_at, used.used_at)
          FROM used JOIN locked USING (id) WHERE k.id = used.id`;
    },
  };
}

const live = {
  revokedAt: null,
  OR: [{ customerId: null }, { customer: { erasedAt: null } }],
} satisfies Prisma.ApiKeyWhereInput;

async function create(
  tx: Transaction,
  clock: Clock,
  { name, scopes, customerId, rateLimit = null }: NewApiKey,
): Promise<CreateApiKeyOutcome> {
  const key = `phk_${randomBytes(32).toString('base64url')}`;
  // The lock keeps an erasure from passing between the look and the insert.
  const known =
    customerId === null ||
    (
      await tx.$queryRaw<
        unknown[]
      >`SELECT 1 FROM customer WHERE id = ${customerId} AND erased_at IS NULL FOR SHARE`
    ).length > 0;
  if (!known) return { kind: 'unknown_customer' };
  const row = await tx.apiKey.create({
    data: {
      id: createUuidV7(clock.nowMs()),
      name,
      scopes: [...scopes],
      customerId,
      ...rateLimitColumns(rateLimit),
      ...identityOf(key),
    },
  });
  return { kind: 'created', apiKey: apiKeyOf(row), key };
}

async function patch(
  tx: Transaction,
  clock: Clock,
  id: string,
  change: (current: ApiKeySettings) => ApiKeySettings,
): Promise<ApiKey | null> {
  await tx.$queryRaw`SELECT 1 FROM api_key WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  const row = await tx.apiKey.findFirst({ where: { ...live, id } });
  if (!row) return null;
  const { name, rateLimit } = change(apiKeyOf(row));
  const data = { name, ...rateLimitColumns(rateLimit), updatedAt: new Date(clock.nowMs()) };
  return apiKeyOf(await tx.apiKey.update({ where: { id }, data }));
}

function rateLimitColumns(rateLimit: RateLimit | null) {
  return { rateLimitMax: rateLimit?.max ?? null, rateLimitPerSeconds: rateLimit?.perSeconds ?? null };
}

/** 256 random bits need no salt and no slow hash; the hint gives away 36 of them. */
function identityOf(key: string) {
  return { hash: Uint8Array.from(createHash('sha256').update(key).digest()), hint: key.slice(0, 10) };
}

function apiKeyOf(row: Prisma.ApiKeyModel): ApiKey {
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    scopes: row.scopes as ApiKeyScope[],
    customerId: row.customerId,
    rateLimit: rateLimitOf(row),
    createdAt: row.createdAt,
    lastUsedAt: row.lastUsedAt,
  };
}

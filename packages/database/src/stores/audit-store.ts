import { createUuidV7, firstUuidAt, uuidTimeMs } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';
import type { Prisma, PrismaClient } from '../generated/client.js';
import { cutPage, type Page } from './page.js';

export interface NewAuditEntry {
  /** Who: an API key, or else the portal link that someone came by. */
  keyId: string | null;
  portalLinkId: string | null;
  /** The operation's id in the API. */
  operation: string;
  /** Ids by name, as the API writes them. */
  target: Record<string, string>;
  /** Names of the members of the request's body, never their values. */
  members: readonly string[];
  /** Null: of no customer in particular. */
  customerId: string | null;
  requestId: string;
  address: string | null;
  userAgent: string | null;
}

export interface AuditEntry extends NewAuditEntry {
  id: string;
  at: Date;
}

export interface ListAuditEntriesQuery {
  limit: number;
  before: string | null;
  customerId?: string | undefined;
  keyId?: string | undefined;
  portalLinkId?: string | undefined;
  operation?: string | undefined;
  /** Inclusive. */
  sinceMs?: number | undefined;
  /** Exclusive. */
  untilMs?: number | undefined;
}

export interface AuditStore {
  add(entry: NewAuditEntry): Promise<void>;
  /** Newest first. */
  list(query: ListAuditEntriesQuery): Promise<Page<AuditEntry>>;
  /** Removes a batch of entries older than that; returns how many. */
  removeBefore(ms: number): Promise<number>;
}

const REMOVED_AT_ONCE = 1_000;

export function createAuditStore({ prisma, clock }: { prisma: PrismaClient; clock: Clock }): AuditStore {
  return {
    async add({ members, ...entry }) {
      await prisma.auditEntry.create({
        data: { id: createUuidV7(clock.nowMs()), members: [...members], ...entry },
      });
    },

    async list({ limit, before, customerId, keyId, portalLinkId, operation, sinceMs, untilMs }) {
      const bounds: Prisma.AuditEntryWhereInput[] = [];
      if (before !== null) bounds.push({ id: { lt: before } });
      if (sinceMs !== undefined) bounds.push({ id: { gte: firstUuidAt(sinceMs) } });
      if (untilMs !== undefined) bounds.push({ id: { lt: firstUuidAt(untilMs) } });
      const rows = await prisma.auditEntry.findMany({
        where: {
          AND: bounds,
          ...(customerId !== undefined && { customerId }),
          ...(keyId !== undefined && { keyId }),
          ...(portalLinkId !== undefined && { portalLinkId }),
          ...(operation !== undefined && { operation }),
        },
        orderBy: { id: 'desc' },
        take: limit + 1,
      });
      return cutPage(rows, limit, entryOf, ({ id }) => id);
    },

    async removeBefore(ms) {
      return prisma.$executeRaw`
        DELETE FROM audit_entry WHERE id IN
          (SELECT id FROM audit_entry WHERE id < ${firstUuidAt(ms)}::uuid ORDER BY id LIMIT ${REMOVED_AT_ONCE})`;
    },
  };
}

function entryOf(row: Prisma.AuditEntryModel): AuditEntry {
  return { ...row, target: row.target as Record<string, string>, at: new Date(uuidTimeMs(row.id)) };
}

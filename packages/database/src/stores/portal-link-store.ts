import { createHash, randomBytes } from 'node:crypto';
import { createUuidV7 } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';
import type { Transaction } from '../database.js';
import type { PrismaClient } from '../generated/client.js';

/** Someone of a customer who came by a portal link. */
export interface PortalSession {
  /** The link's, which is the session's too. */
  id: string;
  customerId: string;
  expiresAt: Date;
}

/** `token` is the whole token; nothing can read it again later. */
export type CreatePortalLinkOutcome =
  { kind: 'created'; id: string; token: string; expiresAt: Date } | { kind: 'unknown_customer' };

export interface PortalLinkStore {
  create(
    tx: Transaction,
    link: { customerId: string; expiresInSeconds: number },
  ): Promise<CreatePortalLinkOutcome>;
  /**
   * Turns the link into its session, once, whoever else tries to at the same moment. Null for a link that is unknown,
   * used or too old. Times are those of the database.
   */
  open(
    linkToken: string,
    { sessionSeconds }: { sessionSeconds: number },
  ): Promise<(PortalSession & { token: string }) | null>;
  /** Those that are open, of customers that are not being erased. By SHA-256 of the session's token. */
  findSession(hash: Uint8Array): Promise<PortalSession | null>;
  /** Ends the session of this link, for good. */
  end(id: string): Promise<void>;
  /** Ends what there is of a customer: links nobody used yet, and sessions. Returns how many. */
  revoke(customerId: string): Promise<number>;
  /** Forgets what is past its time. Returns how many. */
  removeExpired(): Promise<number>;
}

export function createPortalLinkStore({
  prisma,
  clock,
}: {
  prisma: PrismaClient;
  clock: Clock;
}): PortalLinkStore {
  return {
    async create(tx, { customerId, expiresInSeconds }) {
      const { token, hash } = newToken('phl_');
      const id = createUuidV7(clock.nowMs());
      // The lock keeps an erasure from passing between the look and the insert.
      const rows = await tx.$queryRaw<{ expiresAt: Date }[]>`
        WITH owner AS (SELECT id FROM customer WHERE id = ${customerId} AND erased_at IS NULL FOR SHARE)
        INSERT INTO portal_link (id, customer_id, token_hash, expires_at)
        SELECT ${id}::uuid, owner.id, ${hash}, now() + ${expiresInSeconds}::int * interval '1 second' FROM owner
        RETURNING expires_at AS "expiresAt"`;
      const made = rows[0];
      return made ? { kind: 'created', id, token, expiresAt: made.expiresAt } : { kind: 'unknown_customer' };
    },

    async open(linkToken, { sessionSeconds }) {
      const { token, hash } = newToken('phs_');
      // Of two at the same moment the second waits for the row, and then finds it used.
      const rows = await prisma.$queryRaw<PortalSession[]>`
        UPDATE portal_link l
           SET session_hash = ${hash}, session_expires_at = now() + ${sessionSeconds}::int * interval '1 second'
          FROM customer c
         WHERE l.token_hash = ${sha256(linkToken)} AND l.session_hash IS NULL AND l.expires_at > now()
           AND c.id = l.customer_id AND c.erased_at IS NULL
        RETURNING l.id, l.customer_id AS "customerId", l.session_expires_at AS "expiresAt"`;
      return rows[0] ? { ...rows[0], token } : null;
    },

    async findSession(hash) {
      const rows = await prisma.$queryRaw<PortalSession[]>`
        SELECT l.id, l.customer_id AS "customerId", l.session_expires_at AS "expiresAt"
          FROM portal_link l JOIN customer c ON c.id = l.customer_id AND c.erased_at IS NULL
         WHERE l.session_hash = ${Uint8Array.from(hash)} AND l.session_expires_at > now()`;
      return rows[0] ?? null;
    },

    async end(id) {
      await prisma.portalLink.deleteMany({ where: { id } });
    },

    async revoke(customerId) {
      return (await prisma.portalLink.deleteMany({ where: { customerId } })).count;
    },

    removeExpired: () => prisma.$executeRaw`
      DELETE FROM portal_link WHERE COALESCE(session_expires_at, expires_at) < now()`,
  };
}

/** 256 random bits, so a plain SHA-256 cannot be searched backwards. */
function newToken(prefix: string): { token: string; hash: Uint8Array<ArrayBuffer> } {
  const token = `${prefix}${randomBytes(32).toString('base64url')}`;
  return { token, hash: sha256(token) };
}

function sha256(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(text).digest());
}

import { isDatabaseUnavailable, type PortalLinkStore, type PortalSession } from '@posthorn/database';
import { createGroupCommit, GroupCommitOverloaded } from '@posthorn/runtime';
import { LRUCache } from 'lru-cache';

import { unavailable } from './app-error.js';

export interface PortalSessionDirectory {
  /** By the SHA-256 of the whole token; null when unknown or over. Throws `unavailable` when nobody can tell. */
  find(hash: Buffer): Promise<PortalSession | null>;
  /** Whether this process has found it before, and not missed it since. */
  isKnown(hash: Buffer): boolean;
}

/** Asks Postgres every time, so that a session that was ended or whose customer is erased is over at once. */
export function createPortalSessionDirectory(
  portalLinks: Pick<PortalLinkStore, 'findSession'>,
): PortalSessionDirectory {
  // A few at a time, whoever asks: a flood of invented tokens must not take the pool from those who accept.
  const read = createGroupCommit<Buffer, PortalSession | null>({
    commit: (hashes) => Promise.all(hashes.map((hash) => portalLinks.findSession(hash))),
    batchMax: readsMax,
    concurrencyMax: 1,
    queueMax: waitingMax,
    isRetryableRowByRow: () => false,
  });
  const known = new LRUCache<string, true>({ max: knownMax });

  return {
    isKnown: (hash) => known.has(hash.toString('base64')),

    async find(hash) {
      try {
        const session = await read(hash);
        if (session) known.set(hash.toString('base64'), true);
        else known.delete(hash.toString('base64'));
        return session;
      } catch (error) {
        if (!isDatabaseUnavailable(error) && !(error instanceof GroupCommitOverloaded)) throw error;
        throw unavailable('Portal sessions cannot be checked now.', error);
      }
    },
  };
}

const knownMax = 10_000;
const readsMax = 2;
const waitingMax = 1_000;

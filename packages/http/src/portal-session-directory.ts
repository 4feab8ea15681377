import type { PortalLinkStore, PortalSession } from '@posthorn/database';
import { createGroupCommit, GroupCommitOverloaded } from '@posthorn/runtime';

import { unavailable } from './app-error.js';
import { isUnavailable } from './is-unavailable.js';

export interface PortalSessionDirectory {
  /** By the SHA-256 of the whole token; null when unknown or over. Throws `unavailable` when nobody can tell. */
  find(hash: Buffer): Promise<PortalSession | null>;
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
  return {
    async find(hash) {
      try {
        return await read(hash);
      } catch (error) {
        if (!isUnavailable(error) && !(error instanceof GroupCommitOverloaded)) throw error;
        throw unavailable('Portal sessions cannot be looked up right now.', error);
      }
    },
  };
}

const readsMax = 2;
const waitingMax = 1_000;

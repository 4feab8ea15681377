import { type PrismaClient, openOneShotHeaders, sealOneShotHeaders } from '@posthorn/database';
import type { RetryPolicyInput } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

import { findOneShots, type StoredOneShot } from './find-one-shots.sql.js';
import { type OneShotStatus, readOneShotStatus } from './one-shot-status.sql.js';
import { createOneShotLanes, type OneShotLanes } from './prepare-one-shot-lanes.sql.js';

/** Where a one-shot goes, its headers opened. */
export interface OneShotTarget {
  url: string;
  headers: Record<string, string>;
  retryPolicy: RetryPolicyInput | null;
}

/** One whose headers do not open (a key is missing) must not stop the others of its batch. */
export type OneShotForDelivery =
  { kind: 'ready'; target: OneShotTarget } | { kind: 'unreadable'; error: unknown };

export interface OneShotStore extends OneShotLanes {
  /** As they are to be stored; null when there are none. */
  sealHeaders(eventId: string, headers: Record<string, string>): Uint8Array | null;
  /** By their events' ids. */
  readForDelivery(eventIds: readonly string[]): Promise<Map<string, OneShotForDelivery>>;
  /** Whether an event is a one-shot: then its body is what was given, without an envelope. */
  has(eventId: string): Promise<boolean>;
  /** Null for a delivery that is none of a one-shot, and one of an erased customer. */
  status(deliveryId: string): Promise<OneShotStatus | null>;
}

export interface OneShotStoreDeps {
  pool: pg.Pool;
  keyLookupPool: pg.Pool;
  prisma: PrismaClient;
  secretBox: SecretBox;
  clock: Clock;
}

export function createOneShotStore(deps: OneShotStoreDeps): OneShotStore {
  const { keyLookupPool, prisma, secretBox } = deps;
  return {
    ...createOneShotLanes(deps),
    sealHeaders: (eventId, headers) => sealOneShotHeaders(secretBox, eventId, headers),

    async readForDelivery(eventIds) {
      const found = await findOneShots(keyLookupPool, eventIds);
      return new Map(Array.from(found, ([eventId, stored]) => [eventId, open(stored, secretBox)]));
    },

    has: async (eventId) => (await findOneShots(keyLookupPool, [eventId])).has(eventId),
    status: (deliveryId) => readOneShotStatus(prisma, deliveryId),
  };
}

function open(
  { eventId, url, headersSealed, retryPolicy }: StoredOneShot,
  secretBox: SecretBox,
): OneShotForDelivery {
  try {
    const headers = openOneShotHeaders(secretBox, eventId, headersSealed);
    return { kind: 'ready', target: { url, headers, retryPolicy } };
  } catch (error) {
    return { kind: 'unreadable', error };
  }
}

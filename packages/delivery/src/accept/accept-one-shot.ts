import { type DatabasePool, isDatabaseUnavailable, type DatabaseClock } from '@posthorn/database';
import { createUuidV7, deliveryIdOf, oneShotType, type RetryPolicyInput } from '@posthorn/domain';
import { createGroupCommit, GroupCommitOverloaded, type Logger } from '@posthorn/runtime';

import { findOneShots } from '../attempt/find-one-shots.sql.js';
import type { OneShotStore } from '../attempt/one-shot-store.sql.js';
import type { DeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { acceptPace, deliveriesWaitingMax, type AcceptLoad } from './accept-event.js';
import { findFirstEvents, type FirstEventToFind } from './find-first-events.sql.js';
import { keyHashesOf, oneShotHashOf } from './idempotency.js';
import { insertOneShots, type OneShotInsertOutcome, type OneShotToInsert } from './insert-one-shots.sql.js';
import { createOneShotLaneCache } from './one-shot-lanes.js';
import { deliveryLifetimeMs } from './delivery-lifetime.js';
import type { RouteCache } from './route-cache.js';

const HOUR_MS = 3_600_000;
/** As for an event: routes that change faster than we can read them, or a first one-shot that rolled back. */
const TRIES_MAX = 8;

export interface OneShotToAccept {
  customerId: string;
  url: string;
  /** The JSON text that is sent as the body, kept byte for byte. */
  payloadSource: string;
  headers: Record<string, string>;
  retryPolicy: RetryPolicyInput | null;
  idempotencyKey: string | null;
}

export type OneShotOutcome =
  | {
      kind: 'accepted';
      deliveryId: string;
      /** True when an earlier request had made it. */
      replayed: boolean;
    }
  | { kind: 'unknown_customer' }
  | { kind: 'idempotency_conflict' }
  | { kind: 'unavailable'; because: 'database' | 'overload' };

export interface OneShotAcceptor {
  /** Resolves after event, delivery and target are committed; nothing that happens to Redis delays or fails it. */
  accept(oneShot: OneShotToAccept): Promise<OneShotOutcome>;
  load(): AcceptLoad;
  /** Resolves when everything accepted is committed; the enqueuer is closed by whoever opened it. */
  close(): Promise<void>;
}

export interface OneShotAcceptorDeps {
  pool: DatabasePool;
  clock: DatabaseClock;
  routes: Pick<RouteCache, 'get' | 'drop'>;
  oneShots: Pick<OneShotStore, 'ensureLanes' | 'sealHeaders'>;
  enqueuer: Pick<DeliveryEnqueuer, 'enqueueAccepted'>;
  logger: Logger;
  idempotencyWindowHours: number;
  /** One-shots that may wait for a commit; more are answered `unavailable`. Default 5,000. */
  waitingMax?: number;
}

/**
 * Accepts a payload for a URL: an event of its own with one delivery, over the customer's lane for that origin. From there
 * on it is a delivery like any other; what it does not share with those is in `one_shot`, and read when it is attempted. See
 * docs/adr/0015-one-shots.md.
 */
export function createOneShotAcceptor(deps: OneShotAcceptorDeps): OneShotAcceptor {
  const { pool, clock, routes, oneShots, enqueuer, logger, waitingMax = deliveriesWaitingMax } = deps;
  const windowMs = deps.idempotencyWindowHours * HOUR_MS;
  let failing = false;

  const lanes = createOneShotLaneCache(oneShots, waitingMax);

  const insert = createGroupCommit<OneShotToInsert, OneShotInsertOutcome>({
    commit: async (rows) => {
      const outcomes = await insertOneShots(pool, rows, windowMs);
      enqueuer.enqueueAccepted(rows.filter((_, index) => outcomes[index] === 'accepted'));
      return outcomes;
    },
    queueMax: waitingMax,
    ...acceptPace,
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });

  const findFirst = createGroupCommit<FirstEventToFind, FirstOneShot | undefined>({
    commit: (wanted) => findFirstOneShots(pool, wanted, clock.nowMs(), windowMs),
    concurrencyMax: 1,
    queueMax: waitingMax,
    isRetryableRowByRow: () => false,
  });

  async function accept(oneShot: OneShotToAccept): Promise<OneShotOutcome> {
    try {
      const outcome = await acceptOrFindFirst(oneShot);
      if (failing) logger.info('one_shot.accept_recovered');
      failing = false;
      return outcome;
    } catch (error) {
      if (error instanceof GroupCommitOverloaded) return { kind: 'unavailable', because: 'overload' };
      if (!isDatabaseUnavailable(error)) throw error;
      if (!failing) logger.warn('one_shot.accept_unavailable', { error });
      failing = true;
      return { kind: 'unavailable', because: 'database' };
    }
  }

  async function acceptOrFindFirst(oneShot: OneShotToAccept): Promise<OneShotOutcome> {
    const { customerId } = oneShot;
    const keyHashes = keyHashesOf({ ...oneShot, externalId: null });
    const requestHash = keyHashes.length > 0 ? oneShotHashOf(oneShot) : null;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const customer = await routes.get(customerId);
      const laneId = customer && (await lanes.get(customerId, oneShot.url));
      if (!laneId) return { kind: 'unknown_customer' };
      const row = {
        ...toRow(oneShot, laneId),
        endpointsVersion: customer.endpointsVersion,
        keyHashes,
        requestHash,
      };
      const outcome = await insert(row);
      switch (outcome) {
        case 'accepted':
          logger.debug('one_shot.accepted', { eventId: row.id, customerId, deliveryId: row.deliveryId });
          return { kind: 'accepted', deliveryId: row.deliveryId, replayed: false };
        case 'unknown_customer':
          routes.drop(customerId);
          return { kind: 'unknown_customer' };
        case 'stale_routes':
          routes.drop(customerId);
          break;
        case 'unknown_lane':
          lanes.drop(customerId);
          routes.drop(customerId);
          break;
        case 'duplicate': {
          const first = await findFirst({ customerId, keyHashes });
          if (!first) break;
          if (requestHash && !first.requestHash.equals(requestHash)) return { kind: 'idempotency_conflict' };
          return { kind: 'accepted', deliveryId: first.deliveryId, replayed: true };
        }
      }
    }
    return { kind: 'unavailable', because: 'overload' };
  }

  function toRow(
    { customerId, url, payloadSource, headers, retryPolicy }: OneShotToAccept,
    laneId: string,
  ): Omit<OneShotToInsert, 'endpointsVersion' | 'keyHashes' | 'requestHash'> {
    const acceptedAtMs = clock.nowMs();
    const id = createUuidV7(acceptedAtMs);
    const deliveryId = deliveryIdOf(id, laneId);
    const openMs = deliveryLifetimeMs(retryPolicy);
    return {
      id,
      deliveryId,
      laneId,
      customerId,
      type: oneShotType,
      externalId: null,
      occurredAtMs: acceptedAtMs,
      acceptedAtMs,
      body: payloadSource,
      deliveries: [
        {
          customerId,
          endpointId: laneId,
          eventId: id,
          deliveryId,
          generation: 1,
          status: 'pending',
          reason: null,
          expiresAtMs: acceptedAtMs + openMs,
        },
      ],
      url,
      headersSealed: oneShots.sealHeaders(id, headers),
      retryPolicy,
      deliveryLifetimeMs: openMs,
    };
  }

  return {
    accept,
    load: () => ({ waiting: insert.waiting(), waitedMs: insert.waitedMs() }),
    close: () => insert.idle(),
  };
}

interface FirstOneShot {
  /** Empty when the key is an event's, which the hash tells. */
  deliveryId: string;
  requestHash: Buffer;
}

async function findFirstOneShots(
  pool: DatabasePool,
  wanted: readonly FirstEventToFind[],
  nowMs: number,
  windowMs: number,
): Promise<(FirstOneShot | undefined)[]> {
  const firsts = await findFirstEvents(pool, wanted, { sinceMs: nowMs - windowMs, untilMs: nowMs });
  const ids = firsts.flatMap((first) => (first ? [first.id] : []));
  const oneShots = await findOneShots(pool, ids);
  return firsts.map(
    (first) =>
      first && {
        deliveryId: oneShots.get(first.id)?.deliveryId ?? '',
        requestHash: first.requestHash,
      },
  );
}

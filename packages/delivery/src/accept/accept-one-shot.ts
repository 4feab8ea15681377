import { type DatabasePool, isDatabaseUnavailable, type DatabaseClock } from '@posthorn/database';
import { createUuidV7, deliveryIdOf, encodeId, oneShotType } from '@posthorn/domain';
import { createGroupCommit, type Logger } from '@posthorn/runtime';

import { findOneShots } from '../attempt/find-one-shots.sql.js';
import type { OneShotStore } from '../attempt/one-shot-store.sql.js';
import type { DeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { createAcceptOnce, type ClaimedKeys, type Refused } from './accept-once.js';
import { acceptPace, deliveriesWaitingMax, type AcceptLoad } from './accept-load.js';
import { findFirstEvents, type FirstEventToFind } from './find-first-events.sql.js';
import type { OneShotToAccept } from './event-to-accept.js';
import { oneShotHashOf } from './idempotency.js';
import { insertOneShots, type OneShotInsertOutcome, type OneShotToInsert } from './insert-one-shots.sql.js';
import { createOneShotLaneCache } from './one-shot-lanes.js';
import { deliveryLifetimeMs } from './delivery-lifetime.js';
import type { RouteCache } from './route-cache.js';

const HOUR_MS = 3_600_000;

export interface AcceptedOneShot {
  kind: 'accepted';
  deliveryId: string;
  /** True when an earlier request had made it. */
  replayed: boolean;
}

export type OneShotOutcome = AcceptedOneShot | Refused;

export interface OneShotAcceptor {
  /** Resolves after event, delivery and target are committed; nothing that happens to Redis delays or fails it. */
  accept(oneShot: OneShotToAccept): Promise<OneShotOutcome>;
  load(): AcceptLoad;
  /** Resolves when everything accepted is committed. Does not close the enqueuer. */
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

  const accept = createAcceptOnce<OneShotToAccept, InsertedOneShot, FirstOneShot, AcceptedOneShot>({
    clock,
    idempotencyWindowHours: deps.idempotencyWindowHours,
    waitingMax,
    hashOf: oneShotHashOf,
    insert: insertOneShot,
    accepted({ row }) {
      logger.debug('one_shot.accepted', () => ({
        event_id: encodeId('evt', row.id),
        delivery_id: encodeId('dlv', row.deliveryId),
        customer_id: row.customerId,
      }));
      return { kind: 'accepted', deliveryId: row.deliveryId, replayed: false };
    },
    findFirsts: (wanted, days) => findFirstOneShots(pool, wanted, days),
    repeated: (_, { deliveryId }) => ({ kind: 'accepted', deliveryId, replayed: true }),
    dropCaches(customerId, outcome) {
      routes.drop(customerId);
      if (outcome === 'unknown_lane') lanes.drop(customerId);
    },
    logUnavailable: (error) => logger.warn('one_shot.accept_unavailable', { error }),
    logRecovered: () => logger.info('one_shot.accept_recovered'),
  });

  async function insertOneShot(
    oneShot: OneShotToAccept,
    keys: ClaimedKeys,
  ): Promise<InsertedOneShot | undefined> {
    const { customerId } = oneShot;
    const customer = await routes.get(customerId);
    const laneId = customer && (await lanes.get(customerId, oneShot.url));
    if (!laneId) return undefined;
    const row = { ...toRow(oneShot, laneId), ...keys, endpointsVersion: customer.endpointsVersion };
    return { outcome: await insert(row), row };
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

interface InsertedOneShot {
  outcome: OneShotInsertOutcome;
  row: OneShotToInsert;
}

interface FirstOneShot {
  /** Empty when the key is an event's: then the hash is another one. */
  deliveryId: string;
  requestHash: Buffer;
}

async function findFirstOneShots(
  pool: DatabasePool,
  wanted: readonly FirstEventToFind[],
  days: { sinceMs: number; untilMs: number },
): Promise<(FirstOneShot | undefined)[]> {
  const firsts = await findFirstEvents(pool, wanted, days);
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

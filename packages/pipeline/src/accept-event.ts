import {
  findFirstEvents,
  insertEvents,
  isDatabaseUnavailable,
  type DatabaseClock,
  type DeliveryToInsert,
  type EventToInsert,
  type FirstEvent,
  type FirstEventToFind,
  type InsertOutcome,
} from '@posthorn/database';
import {
  type Audience,
  buildEnvelope,
  createUuidV7,
  deliveryIdOf,
  encodeId,
  fanOut,
  openingStatus,
} from '@posthorn/domain';
import { createGroupCommit, GroupCommitOverloaded, type Logger } from '@posthorn/runtime';
import type pg from 'pg';

import type { DeliveryEnqueuer } from './enqueue-deliveries.js';
import { heldForMs } from './held-for.js';
import { keyHashesOf, requestHashOf } from './idempotency.js';
import type { RoutingTable, RouteCache } from './route-cache.js';

/** Ten full commits: about a second of them, which is as long as a producer should be kept waiting. */
export const eventsWaitingMax = 5_000;

/** A lone event is committed at once; those of a steady stream gather, as `docs/adr/0003-accepting-is-one-statement.md` says. */
export const acceptPace = { gatherMs: 5, overlapAfterMs: 10 };

const HOUR_MS = 3_600_000;
/** Endpoints that change faster than we can read them, or a first event that rolled back, at most so often. */
const TRIES_MAX = 8;

export interface EventToAccept {
  customerId: string;
  type: string;
  /** The JSON text of `data` as it was received; kept byte for byte. */
  dataSource: string;
  externalId: string | null;
  /** The producer's own time; null takes the time of acceptance. */
  occurredAtMs: number | null;
  idempotencyKey: string | null;
  /** Default: the registered endpoints. */
  audience?: Audience;
}

export type AcceptOutcome =
  | {
      kind: 'accepted';
      id: string;
      customerId: string;
      type: string;
      occurredAtMs: number;
      /** Over how many endpoints it was fanned out. */
      deliveries: number;
      /** True when an earlier request had made it. */
      replayed: boolean;
    }
  | { kind: 'unknown_customer' }
  | { kind: 'idempotency_conflict' }
  | { kind: 'unavailable'; because: 'database' | 'overload' };

export interface EventAcceptor {
  /** Resolves after the event and its deliveries are committed; nothing that happens to Redis delays or fails it. */
  accept(event: EventToAccept): Promise<AcceptOutcome>;
  load(): AcceptLoad;
  /** Resolves when everything accepted has been handed to the queue or left to the sweep. */
  close(): Promise<void>;
}

export interface AcceptLoad {
  /** Events that wait for a commit. */
  waiting: number;
  /** How long the first of them has been waiting. */
  waitedMs: number;
}

export interface EventAcceptorDeps {
  pool: pg.Pool;
  clock: DatabaseClock;
  routes: RouteCache;
  enqueuer: DeliveryEnqueuer;
  logger: Logger;
  idempotencyWindowHours: number;
  retentionDays: number;
  /** Events that may wait for a commit; more are answered `unavailable`. Default 5,000. */
  waitingMax?: number;
}

export function createEventAcceptor(deps: EventAcceptorDeps): EventAcceptor {
  const { pool, clock, routes, enqueuer, logger, waitingMax = eventsWaitingMax } = deps;
  const windowMs = deps.idempotencyWindowHours * HOUR_MS;
  const heldMs = heldForMs(deps.retentionDays);
  let failing = false;

  const insert = createGroupCommit<EventToInsert, InsertOutcome>({
    commit: async (events) => {
      const outcomes = await insertEvents(pool, events, windowMs);
      enqueuer.enqueueAccepted(events.filter((_, index) => outcomes[index] === 'accepted'));
      return outcomes;
    },
    queueMax: waitingMax,
    ...acceptPace,
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });

  // Repeats come in storms, after an outage of the producer's: they must not take the pool from new events.
  const findFirst = createGroupCommit<FirstEventToFind, FirstEvent | undefined>({
    commit: (wanted) => {
      const nowMs = clock.nowMs();
      return findFirstEvents(pool, wanted, { sinceMs: nowMs - windowMs, untilMs: nowMs });
    },
    concurrencyMax: 1,
    queueMax: waitingMax,
    isRetryableRowByRow: () => false,
  });

  async function accept(event: EventToAccept): Promise<AcceptOutcome> {
    try {
      const outcome = await acceptOrFindFirst(event);
      if (failing) logger.info('event.accept_recovered');
      failing = false;
      return outcome;
    } catch (error) {
      if (error instanceof GroupCommitOverloaded) return { kind: 'unavailable', because: 'overload' };
      if (!isDatabaseUnavailable(error)) throw error;
      // Once for each spell: thousands may be waiting.
      if (!failing) logger.warn('event.accept_unavailable', { error });
      failing = true;
      return { kind: 'unavailable', because: 'database' };
    }
  }

  async function acceptOrFindFirst(event: EventToAccept): Promise<AcceptOutcome> {
    const keyHashes = keyHashesOf(event);
    const requestHash = keyHashes.length > 0 ? requestHashOf(event) : null;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const customer = await routes.get(event.customerId);
      if (!customer) return { kind: 'unknown_customer' };
      const row = toRow(event, customer, keyHashes, requestHash);
      const outcome = await insert(row);
      switch (outcome) {
        case 'accepted':
          logger.debug('event.accepted', {
            eventId: row.id,
            customerId: row.customerId,
            deliveries: row.deliveries.length,
          });
          return accepted(row, false);
        case 'unknown_customer':
          routes.drop(event.customerId);
          return { kind: 'unknown_customer' };
        case 'stale_routes':
          routes.drop(event.customerId);
          break;
        case 'duplicate': {
          const first = await findFirst({ customerId: event.customerId, keyHashes });
          if (!first) break;
          if (requestHash && !first.requestHash.equals(requestHash)) return { kind: 'idempotency_conflict' };
          return {
            kind: 'accepted',
            id: first.id,
            customerId: event.customerId,
            type: first.type,
            occurredAtMs: first.occurredAtMs,
            deliveries: first.deliveries,
            replayed: true,
          };
        }
      }
    }
    return { kind: 'unavailable', because: 'overload' };
  }

  function toRow(
    event: EventToAccept,
    { endpointsVersion, routes: candidates }: RoutingTable,
    keyHashes: Buffer[],
    requestHash: Buffer | null,
  ): EventToInsert {
    const acceptedAtMs = clock.nowMs();
    const id = createUuidV7(acceptedAtMs);
    const occurredAtMs = event.occurredAtMs ?? acceptedAtMs;
    const { audience = 'registered' } = event;
    const reached = candidates.filter(({ kind }) => kind === audience);
    const deliveries = fanOut(reached, event.type).map((route): DeliveryToInsert => {
      const status = openingStatus(route);
      return {
        id: deliveryIdOf(id, route.id),
        endpointId: route.id,
        status,
        reason: status === 'held' ? `endpoint_${route.status}` : null,
        expiresAtMs: acceptedAtMs + (status === 'held' ? heldMs : route.openForMs),
      };
    });
    return {
      id,
      customerId: event.customerId,
      type: event.type,
      externalId: event.externalId,
      occurredAtMs,
      acceptedAtMs,
      body: buildEnvelope({
        id: encodeId('evt', id),
        type: event.type,
        timestamp: new Date(occurredAtMs).toISOString(),
        dataSource: event.dataSource,
      }),
      endpointsVersion,
      deliveries,
      keyHashes,
      requestHash,
    };
  }

  return {
    accept,
    load: () => ({ waiting: insert.waiting(), waitedMs: insert.waitedMs() }),
    async close() {
      await insert.idle();
      await enqueuer.close();
    },
  };
}

function accepted(row: EventToInsert, replayed: boolean): AcceptOutcome {
  return {
    kind: 'accepted',
    id: row.id,
    customerId: row.customerId,
    type: row.type,
    occurredAtMs: row.occurredAtMs,
    deliveries: row.deliveries.length,
    replayed,
  };
}

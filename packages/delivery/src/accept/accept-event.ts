import { type DatabasePool, isDatabaseUnavailable, type DatabaseClock } from '@posthorn/database';
import type { Audience } from '@posthorn/domain';
import { createGroupCommit, GroupCommitOverloaded, type Logger } from '@posthorn/runtime';

import type { DeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { createCustomerShares } from './customer-shares.js';
import { buildDeliveryRow, buildEventRow, type ClaimedKeys, type EventRow } from './build-rows.js';
import { findFirstEvents, type FirstEvent, type FirstEventToFind } from './find-first-events.sql.js';
import { keyHashesOf, requestHashOf } from './idempotency.js';
import { insertEvents, type EventToInsert, type InsertOutcome } from './insert-events.sql.js';
import { createLargeFanOuts } from './large-fan-outs.js';
import { createLoopPause } from './loop-pause.js';
import { OverflowRefused } from './overflow-queue.js';
import type { RouteCache, RoutingTable } from './route-cache.js';

/** Deliveries that wait for a commit: ten full commits, about a second, as long as a producer should be kept waiting. */
export const deliveriesWaitingMax = 5_000;

/** A lone event is committed at once; those of a steady stream gather, as `docs/adr/0003-accepting-is-one-statement.md` says. */
export const acceptPace = { gatherMs: 5, overlapAfterMs: 10 };

/** An event with more deliveries is no part of a group commit. */
const FAN_OUT_MAX = 250;
/** Of the deliveries that wait for a group commit or are in one, as many are one customer's: two full commits. */
const SHARE_MAX = 1_000;
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
  /** `fan_out`: the customer's events come to more deliveries than can be committed now, whatever the others do. */
  | { kind: 'unavailable'; because: 'database' | 'overload' | 'fan_out' };

export interface EventAcceptor {
  /** Resolves after the event and its deliveries are committed; nothing that happens to Redis delays or fails it. */
  accept(event: EventToAccept): Promise<AcceptOutcome>;
  load(): AcceptLoad;
  /** Resolves when everything accepted has been handed to the queue or left to the sweep. */
  close(): Promise<void>;
}

export interface AcceptLoad {
  /** Deliveries that wait for a commit, an event without one counted as one. */
  waiting: number;
  /** How long the first of them has been waiting. */
  waitedMs: number;
}

export interface EventAcceptorDeps {
  pool: DatabasePool;
  /** For what goes beyond a customer's share, one connection at a time: not the pool that the others' events need. Default: `pool`. */
  largePool?: DatabasePool;
  clock: DatabaseClock;
  routes: RouteCache;
  enqueuer: DeliveryEnqueuer;
  logger: Logger;
  idempotencyWindowHours: number;
  retentionDays: number;
  /** Deliveries that may wait for a commit; more are answered `unavailable`. Default 5,000. */
  waitingMax?: number;
  /** The same beyond its share, for each customer. Default 100,000. */
  largeWaitingMax?: number;
}

/**
 * An event costs what it fans out to, so all bounds count deliveries. Those within their customer's share are committed
 * in groups; what goes beyond it waits for the customer's next turn elsewhere, see docs/adr/0028-large-fan-outs.md.
 */
export function createEventAcceptor(deps: EventAcceptorDeps): EventAcceptor {
  const { pool, clock, routes, enqueuer, logger, waitingMax = deliveriesWaitingMax } = deps;
  const windowMs = deps.idempotencyWindowHours * HOUR_MS;
  const heldMs = holdLimitMs(deps.retentionDays);
  let failing = false;

  const insert = createGroupCommit<EventToInsert, InsertOutcome>({
    commit: async (events) => {
      const outcomes = await insertEvents(pool, events, windowMs);
      enqueuer.enqueueAccepted(events.filter((_, index) => outcomes[index] === 'accepted'));
      return outcomes;
    },
    weightOf: ({ deliveries }) => weightOf(deliveries.length),
    queueMax: waitingMax,
    ...acceptPace,
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });
  const shares = createCustomerShares(SHARE_MAX);
  let groupedAtMs = -Infinity;
  const pauseLoop = createLoopPause();
  const large = createLargeFanOuts({
    pool: deps.largePool ?? pool,
    clock,
    routes,
    enqueuer,
    logger,
    idempotencyWindowMs: windowMs,
    heldMs,
    fanOutMax: FAN_OUT_MAX,
    othersSend: () => performance.now() - groupedAtMs < 1_000,
    pauseLoop,
    ...(deps.largeWaitingMax !== undefined && { customerWaitingMax: deps.largeWaitingMax }),
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
      if (error instanceof OverflowRefused) return { kind: 'unavailable', because: 'fan_out' };
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
      const { outcome, row, deliveries } = await insertFairly(event, { keyHashes, requestHash }, customer);
      switch (outcome) {
        case 'accepted':
          logger.debug('event.accepted', { eventId: row.id, customerId: row.customerId, deliveries });
          return accepted(row, deliveries);
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

  async function insertFairly(
    event: EventToAccept,
    keys: ClaimedKeys,
    table: RoutingTable,
  ): Promise<{ outcome: InsertOutcome; row: EventRow; deliveries: number }> {
    const { customerId, type, audience = 'registered' } = event;
    if (!table.isQuick(audience, type)) await pauseLoop();
    const reached = table.reached(audience, type);
    const deliveries = reached.length;
    const weight = weightOf(deliveries);
    // Behind its own large ones everything of a customer waits, so that nothing of theirs is waited for by a group commit.
    if (weight > FAN_OUT_MAX || large.holds(customerId) || !shares.take(customerId, weight))
      return large.insert(event, keys, weight);
    groupedAtMs = performance.now();
    try {
      const row = buildEventRow(event, keys, table.endpointsVersion, clock.nowMs());
      const outcome = await insert({
        ...row,
        deliveries: reached.map((route) => buildDeliveryRow(row, route, heldMs)),
      });
      return { outcome, row, deliveries };
    } finally {
      shares.giveBack(customerId, weight);
    }
  }

  return {
    accept,
    load: () => ({ waiting: insert.waiting(), waitedMs: insert.waitedMs() }),
    async close() {
      await insert.idle();
      await large.idle();
      await enqueuer.close();
    },
  };
}

function accepted(row: EventRow, deliveries: number): AcceptOutcome {
  return {
    kind: 'accepted',
    id: row.id,
    customerId: row.customerId,
    type: row.type,
    occurredAtMs: row.occurredAtMs,
    deliveries,
    replayed: false,
  };
}

function weightOf(deliveries: number): number {
  return Math.max(1, deliveries);
}

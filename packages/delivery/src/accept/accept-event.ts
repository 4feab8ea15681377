import { type DatabasePool, isDatabaseUnavailable, type DatabaseClock } from '@posthorn/database';
import { encodeId } from '@posthorn/domain';
import { createGroupCommit, type Logger } from '@posthorn/runtime';

import type { DeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { createCustomerShares } from './customer-shares.js';
import { acceptPace, deliveriesWaitingMax, type AcceptLoad } from './accept-load.js';
import { createAcceptOnce, type ClaimedKeys, type Refused } from './accept-once.js';
import { buildDeliveryRow, buildEventRow } from './build-rows.js';
import { findFirstEvents, type FirstEvent } from './find-first-events.sql.js';
import type { EventToAccept } from './event-to-accept.js';
import { requestHashOf } from './idempotency.js';
import { insertEvents, type EventToInsert, type InsertOutcome } from './insert-events.sql.js';
import { createLargeFanOuts, type FannedOut } from './large-fan-outs.js';
import { createLoopPause } from './loop-pause.js';
import type { RouteCache } from './route-cache.js';

/** An event with more deliveries is not part of a group commit. */
const FAN_OUT_MAX = 250;
/** The share of one customer in the deliveries that wait for a group commit or are in one: two full commits. */
const SHARE_MAX = 1_000;
const HOUR_MS = 3_600_000;

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
  | Refused;

export interface EventAcceptor {
  /** Resolves after the event and its deliveries are committed; nothing that happens to Redis delays or fails it. */
  accept(event: EventToAccept): Promise<AcceptOutcome>;
  load(): AcceptLoad;
  /** Resolves when everything accepted has been handed to the queue or left to the sweep. */
  close(): Promise<void>;
}

export interface EventAcceptorDeps {
  pool: DatabasePool;
  /** For what exceeds a customer's share, one connection at a time; not the pool that others' events need. Default: `pool`. */
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
 * in groups; what exceeds it waits in a queue of its own, fair between customers, see docs/adr/0028-large-fan-outs.md.
 */
export function createEventAcceptor(deps: EventAcceptorDeps): EventAcceptor {
  const { pool, clock, routes, enqueuer, logger, waitingMax = deliveriesWaitingMax } = deps;
  const windowMs = deps.idempotencyWindowHours * HOUR_MS;
  const heldMs = holdLimitMs(deps.retentionDays);

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

  const accept = createAcceptOnce<EventToAccept, FannedOut, FirstEvent, AcceptOutcome>({
    clock,
    idempotencyWindowHours: deps.idempotencyWindowHours,
    waitingMax,
    hashOf: requestHashOf,
    insert: insertFairly,
    accepted(fannedOut) {
      const { row, deliveries } = fannedOut;
      logger.debug('event.accepted', () => ({
        event_id: encodeId('evt', row.id),
        customer_id: row.customerId,
        deliveries,
      }));
      return toOutcome(fannedOut);
    },
    findFirsts: (wanted, days) => findFirstEvents(pool, wanted, days),
    repeated: ({ customerId }, { id, type, occurredAtMs, deliveries }) => ({
      kind: 'accepted',
      id,
      customerId,
      type,
      occurredAtMs,
      deliveries,
      replayed: true,
    }),
    dropCaches: (customerId) => routes.drop(customerId),
    logUnavailable: (error) => logger.warn('event.accept_unavailable', { error }),
    logRecovered: () => logger.info('event.accept_recovered'),
  });

  async function insertFairly(event: EventToAccept, keys: ClaimedKeys): Promise<FannedOut | undefined> {
    const { customerId, type, audience = 'registered' } = event;
    const table = await routes.get(customerId);
    if (!table) return undefined;
    if (!table.isQuick(audience, type)) await pauseLoop();
    const reached = table.reached(audience, type);
    const deliveries = reached.length;
    const weight = weightOf(deliveries);
    // While large events of a customer wait, all its events wait behind them: no group commit then waits for its rows.
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

function toOutcome({ row: { id, customerId, type, occurredAtMs }, deliveries }: FannedOut): AcceptOutcome {
  return { kind: 'accepted', id, customerId, type, occurredAtMs, deliveries, replayed: false };
}

function weightOf(deliveries: number): number {
  return Math.max(1, deliveries);
}

import { type DatabasePool, isDatabaseUnavailable, type DatabaseClock } from '@posthorn/database';
import { createGroupCommit, type Logger } from '@posthorn/runtime';
import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';

import type { DeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import type { EventToAccept } from './event-to-accept.js';
import type { ClaimedKeys } from './accept-once.js';
import { buildDeliveryRowsInPieces, buildDeliveryRow, buildEventRow, type EventRow } from './build-rows.js';
import { insertEvents, type EventToInsert, type InsertOutcome } from './insert-events.sql.js';
import { insertLargeEvent } from './insert-large-event.sql.js';
import { createOverflowQueue, OverflowRefused } from './overflow-queue.js';
import type { Route, RouteCache } from './route-cache.js';

/** Deliveries in one statement, and in one call of the queue. */
const PIECE_MAX = 100;
/** Deliveries of small events that are committed together. */
const RUN_MAX = 500;
/** Deliveries that may wait for one customer: some ten seconds of them. */
const CUSTOMER_WAITING_MAX = 100_000;
/** Events that may wait for all customers; for one, half of them. */
const EVENTS_WAITING_MAX = 10_000;
/** A producer that has waited longer than this has given up, or soon will. */
const WAITED_MS_MAX = 10_000;
/**
 * No transaction of ours lasts a minute: so long the sweep's second walk waits for what is committed late, and so long the
 * key of an event of yesterday is claimed in both days. This is what the pieces may take of it.
 */
const PIECES_MS_MAX = 15_000;
const TRIES_MAX = 4;
/** After so long without a refusal the next one is logged again. */
const QUIET_MS = 30_000;
/**
 * While others send events, so many times what a piece took passes before the next one: a fifth of one core of Postgres
 * inserts some thousands of deliveries a second, more than the customer is sent.
 */
const PAUSE_FACTOR = 4;
/** After a slow piece the transaction would stay open for `PAUSE_FACTOR` times as long; this bounds the pause. */
const PAUSE_MS_MAX = 1_000;

export interface LargeFanOutsDeps {
  pool: DatabasePool;
  clock: DatabaseClock;
  routes: Pick<RouteCache, 'get' | 'drop'>;
  enqueuer: Pick<DeliveryEnqueuer, 'enqueueAccepted' | 'enqueueInPieces'>;
  logger: Logger;
  idempotencyWindowMs: number;
  heldMs: number;
  /** An event with more deliveries is inserted in pieces. */
  fanOutMax: number;
  /** Whether others have sent events just now. */
  othersSend: () => boolean;
  /** Lets the rest of the event loop go before a look through many endpoints. */
  pauseLoop: () => Promise<void>;
  /** Deliveries that may wait for one customer. */
  customerWaitingMax?: number;
}

export interface FannedOut {
  outcome: InsertOutcome;
  row: EventRow;
  deliveries: number;
}

export interface LargeFanOuts {
  /** Rejects with `OverflowRefused` when too much of its customer waits. `weight`: how many deliveries it may come to. */
  insert(event: EventToAccept, keys: ClaimedKeys, weight: number): Promise<FannedOut>;
  holds(customerId: string): boolean;
  idle(): Promise<void>;
}

/**
 * Commits what goes beyond a customer's share of the group commit, over one connection. No row is built
 * before an event is next: until then it costs what its request holds. See docs/adr/0028-large-fan-outs.md.
 */
export function createLargeFanOuts({
  pool,
  clock,
  routes,
  enqueuer,
  logger,
  idempotencyWindowMs,
  heldMs,
  fanOutMax,
  othersSend,
  pauseLoop,
  customerWaitingMax = CUSTOMER_WAITING_MAX,
}: LargeFanOutsDeps): LargeFanOuts {
  let refusedAtMs = -Infinity;

  const insertTogether = createGroupCommit<EventToInsert, InsertOutcome>({
    commit: async (events) => {
      const outcomes = await insertEvents(pool, events, idempotencyWindowMs);
      enqueuer.enqueueAccepted(events.filter((_, index) => outcomes[index] === 'accepted'));
      return outcomes;
    },
    weightOf: ({ deliveries }) => Math.max(1, deliveries.length),
    concurrencyMax: 1,
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });

  const queue = createOverflowQueue<{ event: EventToAccept; keys: ClaimedKeys }, FannedOut>({
    run: ({ event, keys }) => insertNow(event, keys),
    runWeightMax: RUN_MAX,
    customerWeightMax: customerWaitingMax,
    itemsMax: EVENTS_WAITING_MAX,
    waitedMsMax: WAITED_MS_MAX,
  });

  /** Stale routes are read again here: at the end of the line the next ones might be stale as well. */
  async function insertNow(event: EventToAccept, keys: ClaimedKeys): Promise<FannedOut> {
    for (let tries = 1; ; tries += 1) {
      const fannedOut = await tryInsert(event, keys);
      if (fannedOut.outcome !== 'stale_routes' || tries === TRIES_MAX) return fannedOut;
      routes.drop(event.customerId);
    }
  }

  async function tryInsert(event: EventToAccept, keys: ClaimedKeys): Promise<FannedOut> {
    const { customerId, type, audience = 'registered' } = event;
    const table = await routes.get(customerId);
    if (table && !table.isQuick(audience, type)) await pauseLoop();
    const row = buildEventRow(event, keys, table?.endpointsVersion ?? 0, clock.nowMs());
    if (!table) return { outcome: 'unknown_customer', row, deliveries: 0 };
    const reached = table.reached(audience, type);
    const outcome =
      reached.length > fanOutMax
        ? await insertInPieces(row, reached)
        : await insertTogether({
            ...row,
            deliveries: reached.map((route) => buildDeliveryRow(row, route, heldMs)),
          });
    return { outcome, row, deliveries: reached.length };
  }

  /** Also when nobody else sends, the rest of the event loop goes before the next piece. */
  async function leaveRoom(tookMs: number): Promise<void> {
    await (othersSend() ? sleep(Math.min(PAUSE_FACTOR * tookMs, PAUSE_MS_MAX)) : turnOfTheLoop());
  }

  async function insertInPieces(row: EventRow, reached: readonly Route[]): Promise<InsertOutcome> {
    const untilMs = performance.now() + PIECES_MS_MAX;
    const outcome = await insertLargeEvent(
      pool,
      { ...row, deliveryCount: reached.length },
      {
        pieces: buildDeliveryRowsInPieces(row, reached, heldMs, PIECE_MAX),
        idempotencyWindowMs,
        async betweenPieces(tookMs) {
          if (performance.now() > untilMs)
            throw new OverflowRefused('Its deliveries took too long to insert');
          await leaveRoom(tookMs);
        },
      },
    );
    if (outcome === 'accepted')
      enqueuer.enqueueInPieces(buildDeliveryRowsInPieces(row, reached, heldMs, PIECE_MAX), leaveRoom);
    return outcome;
  }

  /** Once for each time that it begins: a flood is refused thousands of times, with what is accepted between. */
  function logRefusal(customerId: string, deliveries: number, reason: string): void {
    const begins = performance.now() - refusedAtMs > QUIET_MS;
    refusedAtMs = performance.now();
    if (begins) logger.warn('event.fan_out_refused', { customer_id: customerId, deliveries, reason });
  }

  return {
    async insert(event, keys, weight) {
      try {
        return await queue.add(event.customerId, weight, { event, keys });
      } catch (error) {
        if (error instanceof OverflowRefused) logRefusal(event.customerId, weight, error.message);
        throw error;
      }
    },
    holds: (customerId) => queue.holds(customerId),
    idle: () => queue.idle(),
  };
}

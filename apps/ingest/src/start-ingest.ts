import { createEventTypeStore, type Database } from '@posthorn/database';
import {
  createEventAcceptor,
  createOneShotAcceptor,
  type AcceptLoad,
  type RouteCache,
} from '@posthorn/delivery/accept';
import type { OneShotStore } from '@posthorn/delivery/attempt';
import { createDeliveryEnqueuer, type JobQueue } from '@posthorn/delivery/enqueue';
import type { CheckTargetUrl, Identities, RequestLimits } from '@posthorn/http';
import type { Logger, ServeConfig, Shutdown } from '@posthorn/runtime';
import type { Router } from 'express';
import type { RequestListener } from 'node:http';

import { createEventSchemas, type EventSchemas } from './event-schemas.js';
import { createIngestRouter } from './ingest-router.js';
import { createOverloadGuard } from './overload-guard.js';
import { overloadLimits } from './overload-limits.js';
import { refuseWhenOverloaded } from './refuse-when-overloaded.js';

export interface StartIngestDeps {
  config: ServeConfig;
  logger: Logger;
  shutdown: Shutdown;
  database: Database;
  routes: RouteCache;
  oneShots: OneShotStore;
  queue: JobQueue;
  identities: Identities;
  limits: RequestLimits;
  checkTargetUrl: CheckTargetUrl;
}

export interface Ingest {
  router: Router;
  /** Puts refusals under overload in front of the whole application. */
  guard(app: RequestListener): RequestListener;
  /** Has to hear of changed event types. */
  cache: Pick<EventSchemas, 'onChange' | 'onGap'>;
}

/** The ingest role: accepts events and one-shots. */
export function startIngest({
  config,
  logger,
  shutdown,
  database,
  routes,
  oneShots: oneShotStore,
  queue,
  ...access
}: StartIngestDeps): Ingest {
  const { pool, ingestPool, prisma, clock } = database;
  const { idempotencyWindowHours, retentionDays, payloadBytesMax, batchBytesMax } = config;
  const enqueuer = createDeliveryEnqueuer(queue, logger);
  const accepting = { pool: ingestPool, clock, routes, logger, enqueuer, idempotencyWindowHours };
  const acceptor = createEventAcceptor({ ...accepting, largePool: pool, retentionDays });
  shutdown.onClose('accepting', () => acceptor.close());
  const oneShots = createOneShotAcceptor({ ...accepting, oneShots: oneShotStore });
  shutdown.onClose('accepting one-shots', () => oneShots.close());
  const overload = createOverloadGuard({
    acceptLoad: () => sumOf(acceptor.load(), oneShots.load()),
    poolWaiting: () => pool.waitingCount,
    limits: overloadLimits(config),
    logger,
  });
  shutdown.onClose('overload guard', () => overload.close());
  const schemas = createEventSchemas(createEventTypeStore({ prisma }), logger);
  const router = createIngestRouter({
    ...access,
    acceptor,
    schemas,
    oneShots: { accept: oneShots.accept, status: oneShotStore.status },
    overload,
    logger,
    payloadBytesMax,
    batchBytesMax,
  });
  return { router, guard: (app) => refuseWhenOverloaded(overload, app), cache: schemas };
}

function sumOf(one: AcceptLoad, other: AcceptLoad): AcceptLoad {
  return {
    waiting: one.waiting + other.waiting,
    waitedMs: Math.max(one.waitedMs, other.waitedMs),
  };
}

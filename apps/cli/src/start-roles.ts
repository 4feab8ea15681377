import { createConsoleRouter, createQueueBoard } from '@posthorn/console';
import {
  createApiKeyStore,
  createAuditStore,
  createEndpointStore,
  createEventTypeStore,
  createPortalLinkStore,
  openChangeFeed,
  openDatabase,
  readMigrationNames,
} from '@posthorn/database';
import { createOneShotStore } from '@posthorn/delivery/attempt';
import {
  admitAnyone,
  authenticate,
  authenticateOperator,
  createApiKeyDirectory,
  createAuditTrail,
  createFailedAttempts,
  createHttpApp,
  createHttpServer,
  createIdentities,
  createOperationRouter,
  createPortalSessionDirectory,
  createRateLimiter,
  createRedisWindowCounter,
  createRequestLimits,
  type Limit,
} from '@posthorn/http';
import {
  createEventSchemas,
  createIngestRouter,
  createOverloadGuard,
  overloadLimits,
  refuseWhenOverloaded,
  type OverloadGuard,
} from '@posthorn/ingest';
import {
  createEventAcceptor,
  createOneShotAcceptor,
  createRouteCache,
  type AcceptLoad,
} from '@posthorn/delivery/accept';
import { createEndpointCache } from '@posthorn/delivery/attempt';
import { createDeliveryEnqueuer } from '@posthorn/delivery/enqueue';
import { createQueueProducer, openLiveLanes } from '@posthorn/queue';
import { createSecretBox, type Logger, type Role, type ServeConfig, type Shutdown } from '@posthorn/runtime';
import { checkTargetUrl } from '@posthorn/sender';
import { createWorker } from '@posthorn/worker';
import type { Router } from 'express';

import { readyChecks } from './ready-checks.js';

/** Two at once to load deliveries, two to settle attempts. */
const LOOK_UPS_MAX = 4;
/** Two at once to accept events, one to find those of repeats. */
const ACCEPTING_MAX = 3;

export interface StartRolesDeps {
  config: ServeConfig;
  roles: readonly Role[];
  migrationsDir: string;
  logger: Logger;
  /** Gets everything opened here; closing takes nothing new first, then ends what is in flight, then disconnects. */
  shutdown: Shutdown;
}

/** Starts the roles of one process on one port, in reading order. Rejects when the port cannot be had. */
export async function startRoles({
  config,
  roles,
  migrationsDir,
  logger,
  shutdown,
}: StartRolesDeps): Promise<{ port: number }> {
  const has = (role: Role): boolean => roles.includes(role);
  const { databaseUrl, redisUrl } = config;

  const { databasePoolMax: poolMax } = config;
  const database = openDatabase({ url: databaseUrl, poolMax, ...keptConnections(poolMax, has), logger });
  shutdown.onClose('database', () => database.close());
  const { pool, prisma, clock } = database;
  await clock.sample();

  const secretBox = createSecretBox(config.encryptionKeys);
  const endpointStore = createEndpointStore({ prisma, secretBox, clock });
  const routes = createRouteCache((customerId) => endpointStore.readRoutes(customerId));
  const oneShotStore = createOneShotStore({ ...database, secretBox });
  const endpoints = createEndpointCache((ids) => endpointStore.readForDelivery(ids));
  const apiKeyStore = createApiKeyStore({ prisma, clock });
  const apiKeys = createApiKeyDirectory({ apiKeys: apiKeyStore, clock, logger });
  shutdown.onClose('api keys', () => apiKeys.close());

  const schemas = createEventSchemas(createEventTypeStore({ prisma }), logger);
  const caches = [routes, endpoints, apiKeys, schemas];
  const feed = openChangeFeed({
    databaseUrl,
    logger,
    onChange: (kind, id) => {
      for (const cache of caches) cache.onChange(kind, id);
    },
    onGap: () => {
      for (const cache of caches) cache.onGap();
    },
  });
  shutdown.onClose('change feed', () => feed.close());

  const queue = createQueueProducer({ redisUrl, prefix: config.queuePrefix, logger });
  shutdown.onClose('queue', () => queue.close());

  const worker = has('worker')
    ? createWorker({ database, endpoints, routes, oneShots: oneShotStore, logger, settings: config })
    : undefined;
  if (worker) shutdown.onClose('worker', (deadlineMs) => worker.stop({ deadlineMs }));

  if (config.adminKey !== null) {
    const outcome = await apiKeyStore.ensure(config.adminKey, {
      name: 'POSTHORN_ADMIN_KEY',
      scopes: ['admin'],
    });
    if (outcome === 'revoked') {
      logger.warn('admin_key.revoked', {
        problem:
          'POSTHORN_ADMIN_KEY is an API key that was revoked, so it is not valid: set another, or none.',
      });
    }
  }

  const { allowTargets, idempotencyWindowHours } = config;
  const checkTarget = (url: string) => checkTargetUrl(url, { allowTargets });
  const auditTrail = createAuditTrail(createAuditStore({ prisma, clock }), logger);
  const portalSessions = createPortalSessionDirectory(createPortalLinkStore({ prisma, clock }));
  const counter = createRedisWindowCounter({ redisUrl, prefix: config.queuePrefix });
  shutdown.onClose('limits', () => counter.close());
  const failedAttempts = createFailedAttempts({
    counter,
    maxPerMinute: config.authFailuresPerMinute,
    logger,
  });
  const identities = createIdentities({ apiKeys, portalSessions, failedAttempts });
  const limits = createRequestLimits({
    limiter: createRateLimiter({ counter, logger }),
    defaults: {
      api: perSecond(config.apiRequestsPerSecond),
      ingest: perSecond(config.ingestRequestsPerSecond),
    },
  });
  let ingest: Router | undefined;
  let overload: OverloadGuard | undefined;
  const routers: Router[] = [];
  if (has('ingest')) {
    const shared = { pool: database.ingestPool, clock, routes, logger, idempotencyWindowHours };
    const enqueuer = createDeliveryEnqueuer(queue, logger);
    const acceptor = createEventAcceptor({
      ...shared,
      largePool: pool,
      enqueuer,
      retentionDays: config.retentionDays,
    });
    shutdown.onClose('accepting', () => acceptor.close());
    const oneShots = createOneShotAcceptor({ ...shared, enqueuer, oneShots: oneShotStore });
    shutdown.onClose('accepting one-shots', () => oneShots.close());
    const guard = createOverloadGuard({
      acceptLoad: () => both(acceptor.load(), oneShots.load()),
      poolWaiting: () => pool.waitingCount,
      limits: overloadLimits(config),
      logger,
    });
    shutdown.onClose('overload guard', () => guard.close());
    overload = guard;
    ingest = createIngestRouter({
      acceptor,
      identities,
      limits,
      schemas,
      oneShots: { accept: oneShots.accept, status: oneShotStore.status },
      checkTargetUrl: checkTarget,
      overload: guard,
      logger,
      payloadBytesMax: config.payloadBytesMax,
      batchBytesMax: config.batchBytesMax,
    });
  }
  const stopping = new AbortController();
  if (has('console')) {
    routers.push(
      createConsoleRouter({
        authentication: authenticate({ identities, limits, auditTrail }),
        admission: admitAnyone({ failedAttempts, auditTrail }),
        database,
        secretBox,
        checkTargetUrl: checkTarget,
        queue,
        logger,
        retentionDays: config.retentionDays,
        endpointInFlightMax: config.endpointInFlightMax,
        endpointsMax: config.endpointsMax,
        timeoutMs: config.timeoutMs,
        stopping: stopping.signal,
        stream: { streamsMax: config.streamsMax },
        portal: { publicUrl: config.publicUrl, sessionSeconds: config.portalSessionSeconds },
      }),
    );
    const board = createQueueBoard({
      authentication: authenticateOperator(identities),
      openLanes: () => openLiveLanes({ redisUrl, prefix: config.queuePrefix }),
    });
    shutdown.onClose('queue board', () => board.close());
    routers.push(board.router);
  }
  const checks = readyChecks({
    database,
    queue,
    migrations: await readMigrationNames(migrationsDir),
    redisRequired: has('worker'),
    logger,
  });
  routers.push(createOperationRouter({ checks }));

  const app = createHttpApp({
    logger,
    ingest,
    routers,
    trustedProxies: config.trustedProxies,
    corsOrigins: config.corsOrigins,
  });
  const server = await createHttpServer({
    handler: overload ? refuseWhenOverloaded(overload, app) : app,
    host: config.host,
    port: config.port,
    connectionsMax: config.connectionsMax,
    logger,
  });
  shutdown.onClose('http', (deadlineMs) => {
    const closed = server.close({ deadlineMs });
    // It waits for the requests that it has. Ended before, a stream would be cut before its end is sent.
    stopping.abort();
    return closed;
  });
  worker?.start();
  return { port: server.port };
}

/** At most half of what the process may have is kept for the hot statements. */
function keptConnections(poolMax: number, has: (role: Role) => boolean) {
  const half = Math.floor(poolMax / 2);
  const ingestPoolMax = has('ingest')
    ? Math.min(ACCEPTING_MAX, has('worker') ? Math.floor(half / 2) : half)
    : 0;
  const keyLookupPoolMax = has('worker') ? Math.min(LOOK_UPS_MAX, half - ingestPoolMax) : 0;
  return { ingestPoolMax, keyLookupPoolMax };
}

function both(one: AcceptLoad, other: AcceptLoad): AcceptLoad {
  return {
    waiting: one.waiting + other.waiting,
    waitedMs: Math.max(one.waitedMs, other.waitedMs),
  };
}

function perSecond(max: number): Limit | null {
  return max === 0 ? null : { max, perSeconds: 1 };
}

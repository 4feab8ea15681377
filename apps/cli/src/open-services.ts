import {
  createApiKeyStore,
  createEndpointStore,
  openChangeFeed,
  openDatabase,
  type ChangeFeedOptions,
} from '@posthorn/database';
import { createRouteCache } from '@posthorn/delivery/accept';
import { createEndpointCache, createOneShotStore } from '@posthorn/delivery/attempt';
import { createApiKeyDirectory } from '@posthorn/http';
import { createQueueProducer } from '@posthorn/queue';
import { createSecretBox, type Logger, type Role, type ServeConfig, type Shutdown } from '@posthorn/runtime';

/** Two to load deliveries and two to settle attempts, at the same time. */
const KEY_LOOKUP_CONNECTIONS_MAX = 4;
/** Two to accept events, one to find those of repeated requests. */
const INGEST_CONNECTIONS_MAX = 3;

/** Something that drops what it has cached when a setting changes. */
export type CacheListener = Pick<ChangeFeedOptions, 'onChange' | 'onGap'>;

/** Postgres and Redis, and the stores and caches that roles share. */
export type Services = Awaited<ReturnType<typeof openServices>>;

export interface OpenServicesDeps {
  config: ServeConfig;
  roles: readonly Role[];
  logger: Logger;
  shutdown: Shutdown;
}

export async function openServices({ config, roles, logger, shutdown }: OpenServicesDeps) {
  const { databaseUrl: url, databasePoolMax: poolMax, redisUrl, queuePrefix: prefix } = config;
  const database = openDatabase({ url, poolMax, ...reservedConnections(poolMax, roles), logger });
  shutdown.onClose('database', () => database.close());
  const { prisma, clock } = database;
  await clock.sample();

  const secretBox = createSecretBox(config.encryptionKeys);
  const endpointStore = createEndpointStore({ prisma, secretBox, clock });
  const routes = createRouteCache((customerId) => endpointStore.readRoutes(customerId));
  const endpoints = createEndpointCache((ids) => endpointStore.readForDelivery(ids));
  const apiKeyStore = createApiKeyStore({ prisma, clock });
  const apiKeys = createApiKeyDirectory({ apiKeys: apiKeyStore, clock, logger });
  shutdown.onClose('api keys', () => apiKeys.close());

  const caches: CacheListener[] = [routes, endpoints, apiKeys];
  const feed = openChangeFeed({
    databaseUrl: url,
    logger,
    onChange: (kind, id) => {
      for (const cache of caches) cache.onChange(kind, id);
    },
    onGap: () => {
      for (const cache of caches) cache.onGap();
    },
  });
  shutdown.onClose('change feed', () => feed.close());

  const queue = createQueueProducer({ redisUrl, prefix, logger });
  shutdown.onClose('queue', () => queue.close());
  const oneShots = createOneShotStore({ ...database, secretBox });
  return { database, secretBox, routes, endpoints, oneShots, apiKeyStore, apiKeys, caches, queue };
}

/** At most half of the connections that the process may have are reserved for the hot statements. */
function reservedConnections(poolMax: number, roles: readonly Role[]) {
  const half = Math.floor(poolMax / 2);
  const isWorker = roles.includes('worker');
  const ingestMax = isWorker ? Math.floor(half / 2) : half;
  const ingestPoolMax = roles.includes('ingest') ? Math.min(INGEST_CONNECTIONS_MAX, ingestMax) : 0;
  const keyLookupPoolMax = isWorker ? Math.min(KEY_LOOKUP_CONNECTIONS_MAX, half - ingestPoolMax) : 0;
  return { ingestPoolMax, keyLookupPoolMax };
}

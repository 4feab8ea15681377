import {
  createApiKeyStore,
  createCustomerStore,
  createEndpointStore,
  createPortalLinkStore,
  ensurePartitions,
  openDatabase,
  type Database,
} from '@posthorn/database';
import { createOneShotStore } from '@posthorn/delivery/attempt';
import {
  createApiKeyDirectory,
  createHttpApp,
  createHttpServer,
  createIdentities,
  createOperationRouter,
  createPortalSessionDirectory,
} from '@posthorn/http';
import type { Scope } from '@posthorn/api-contract';
import { createEventAcceptor, createOneShotAcceptor, createRouteCache } from '@posthorn/delivery/accept';
import { createDeliveryEnqueuer } from '@posthorn/delivery/enqueue';
import { createSecretBox, generateKeyring, parseKeyring, type Logger } from '@posthorn/runtime';
import { createTestDatabase } from '@posthorn/testing';

import { createIngestRouter } from '../ingest-router.js';
import { neverRefused, unlimited } from './no-limits.js';
import { createOverloadGuard, type OverloadGuard } from '../overload-guard.js';
import { refuseWhenOverloaded } from '../refuse-when-overloaded.js';
import { overloadLimits, type OverloadLimits } from '../overload-limits.js';

export interface OpenIngest {
  database: Database;
  overload: OverloadGuard;
  port: number;
  /** A key that may write for everyone. */
  key: string;
  createKey(scopes: Scope[], customerId: string | null): Promise<string>;
  /** Events handed to the acceptor and not answered. */
  pending(): number;
  /** The ids of deliveries that were handed to the queue. */
  enqueued: string[];
  close(): Promise<void>;
}

/**
 * Ingest behind a real port over a real database, with a customer `acme` that has one endpoint. Targets at
 * `refused.example` are refused.
 */
export async function openIngest(logger: Logger, limits: Partial<OverloadLimits> = {}): Promise<OpenIngest> {
  const testDatabase = await createTestDatabase();
  const database = openDatabase({ url: testDatabase.url, poolMax: 4, logger });
  const { pool, prisma, clock } = database;
  await ensurePartitions(pool, { nowMs: Date.now() });
  const keyring = parseKeyring(generateKeyring());
  if (!keyring.ok) throw new Error(keyring.problem);
  const secretBox = createSecretBox(keyring.keys);
  const endpoints = createEndpointStore({ prisma, secretBox, clock });
  const apiKeys = createApiKeyStore({ prisma, clock });
  const enqueued: string[] = [];
  const enqueue = (jobs: readonly { deliveryId: string }[]) => {
    enqueued.push(...jobs.map(({ deliveryId }) => deliveryId));
    return Promise.resolve();
  };
  const accepting = {
    pool,
    clock,
    routes: createRouteCache((customerId) => endpoints.readRoutes(customerId)),
    enqueuer: createDeliveryEnqueuer({ enqueue }, logger),
    logger,
    idempotencyWindowHours: 24,
    retentionDays: 30,
    ...(limits.waitingMax !== undefined && { waitingMax: limits.waitingMax }),
  };
  const acceptor = createEventAcceptor(accepting);
  const store = createOneShotStore({ ...database, secretBox });
  const oneShots = createOneShotAcceptor({ ...accepting, oneShots: store });
  let pending = 0;
  const overload = createOverloadGuard({
    acceptLoad: () => acceptor.load(),
    poolWaiting: () => pool.waitingCount,
    limits: { ...overloadLimits({ databasePoolMax: 4, bodiesBytesMax: 64 * 1024 * 1024 }), ...limits },
    logger,
  });
  const directory = createApiKeyDirectory({ apiKeys, clock, logger });
  const ingest = createIngestRouter({
    acceptor: {
      accept(event) {
        pending++;
        return acceptor.accept(event).finally(() => pending--);
      },
    },
    identities: createIdentities({
      apiKeys: directory,
      portalSessions: createPortalSessionDirectory(createPortalLinkStore({ prisma, clock })),
      failedAttempts: neverRefused,
    }),
    limits: unlimited,
    schemas: { check: () => Promise.resolve([]) },
    oneShots: { accept: oneShots.accept, status: store.status },
    checkTargetUrl: (url) =>
      new URL(url).hostname === 'refused.example'
        ? { ok: false, reason: 'address_refused', message: 'The target is not a public address.' }
        : { ok: true },
    overload,
    logger,
  });
  const app = createHttpApp({ logger, ingest, routers: [createOperationRouter({ checks: [] })] });
  const server = await createHttpServer({
    handler: refuseWhenOverloaded(overload, app),
    host: '127.0.0.1',
    port: 0,
  });

  const none = { name: null, metadata: null, notificationUrl: null, maxInFlight: null };
  await createCustomerStore({ prisma }).put('acme', { ...none, rateLimit: null, maxEndpoints: null });
  await endpoints.create('acme', {
    url: 'https://example.com/hook',
    eventTypes: ['invoice.*'],
    description: null,
    headers: {},
    signing: { scheme: 'standard' },
    retryPolicy: null,
    maxInFlight: null,
    rateLimit: null,
  });
  const createKey = async (scopes: Scope[], customerId: string | null) => {
    const made = await apiKeys.create({ name: null, scopes, customerId });
    if (made.kind !== 'created') throw new Error(made.kind);
    return made.key;
  };

  return {
    database,
    overload,
    port: server.port,
    key: await createKey(['events:write'], null),
    createKey,
    enqueued,
    pending: () => pending,
    async close() {
      await server.close({ deadlineMs: 0 });
      overload.close();
      await oneShots.close();
      await acceptor.close();
      await directory.close();
      await database.close();
      await testDatabase.drop();
    },
  };
}

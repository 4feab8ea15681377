import {
  createCustomerStore,
  createEndpointStore,
  ensurePartitions,
  keepNotificationEndpoint,
  openDatabase,
  type Database,
  type EndpointSettings,
  type EndpointStore,
} from '@posthorn/database';
import { deliveryIdOf, type DeliveryRef } from '@posthorn/domain';
import type { DeliveryJob } from '@posthorn/queue';
import {
  createLogger,
  createSecretBox,
  parseKeyring,
  generateKeyring,
  type SecretBox,
} from '@posthorn/runtime';
import { createSender, type Sender } from '@posthorn/sender';
import { createTestDatabase } from '@posthorn/testing';

import { createEventAcceptor, type EventAcceptor, type EventAcceptorDeps } from '../accept/accept-event.js';
import type { EventToAccept } from '../accept/event-to-accept.js';
import { createOneShotAcceptor, type OneShotAcceptor } from '../accept/accept-one-shot.js';
import { createRouteCache, type RouteCache } from '../accept/route-cache.js';
import { createDeliveryAttempter } from '../attempt/attempt-delivery.js';
import { createEndpointCache, type EndpointCache } from '../attempt/endpoint-cache.js';
import { createOneShotStore, type OneShotStore } from '../attempt/one-shot-store.sql.js';
import { createDeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { eraseCustomer } from '../erase/erase-customer.sql.js';
import type { EraseCustomerOutcome } from '../erase/erasure.sql.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { createDeliverySettler } from '../settle/settle-delivery.js';

/** The pipeline over a real database and a real sender; the queue's part is played by the test. */
export interface OpenPipeline {
  database: Database;
  /** Connections of another process. */
  openAnother(name: string, poolMax: number): Database;
  endpointStore: EndpointStore;
  endpoints: EndpointCache;
  enqueued: DeliveryJob[];
  /** An acceptor of another process: with caches of its own, which nobody tells of changes. */
  openAcceptor(deps?: Partial<EventAcceptorDeps>): { acceptor: EventAcceptor; routes: RouteCache };
  openOneShotAcceptor(): OneShotAcceptor;
  oneShotStore: OneShotStore;
  secretBox: SecretBox;
  acceptor: EventAcceptor;
  /** Handles a job as a worker of its own would. */
  handle: ReturnType<typeof createDeliveryAttempter>;
  addCustomer(id: string): Promise<void>;
  /** As if it had been put with this notificationUrl. */
  setNotificationUrl(customerId: string, url: string | null): Promise<string | null>;
  addEndpoint(
    customerId: string,
    settings: Partial<EndpointSettings> & { url: string },
  ): Promise<{ id: string; secret: string }>;
  accept(event: Partial<EventToAccept> & { customerId: string }): Promise<string>;
  jobOf(eventId: string, endpointId: string): DeliveryRef;
  delivery(eventId: string, endpointId: string): Promise<Record<string, unknown>>;
  attempts(eventId: string, endpointId: string): Promise<Record<string, unknown>[]>;
  erase(customerId: string, signal?: AbortSignal): Promise<EraseCustomerOutcome>;
  close(): Promise<void>;
}

export async function openPipeline(
  options: { wrapSend?: (send: Sender['send']) => Sender['send'] } = {},
): Promise<OpenPipeline> {
  const testDatabase = await createTestDatabase();
  const logger = createLogger({ level: 'error', role: 'test' });
  const silent = createLogger({ level: 'silent', role: 'test' });
  const database = openDatabase({
    url: testDatabase.url, // Some tests lay in hundreds of thousands of rows by one statement.
    statementTimeoutMs: 300_000,
    poolMax: 14,
    keyLookupPoolMax: 4,
    ingestPoolMax: 2,
    logger,
  });
  const { pool, keyLookupPool, ingestPool, prisma, clock } = database;
  await ensurePartitions(pool, { nowMs: Date.now() });

  const keyring = parseKeyring(generateKeyring());
  if (!keyring.ok) throw new Error(keyring.problem);
  const secretBox = createSecretBox(keyring.keys);
  const endpointStore = createEndpointStore({ prisma, secretBox, clock, endpointsMax: 10_000 });
  const oneShotStore = createOneShotStore({ ...database, secretBox });
  const customers = createCustomerStore({ prisma });
  const endpoints = createEndpointCache((ids) => endpointStore.readForDelivery(ids));
  const sender = createSender({ allowTargets: ['127.0.0.0/8'] });
  const enqueued: DeliveryJob[] = [];
  const enqueuer = createDeliveryEnqueuer(
    {
      enqueue: (jobs) => {
        enqueued.push(...jobs);
        return Promise.resolve();
      },
    },
    logger,
  );

  const openAcceptor = (deps: Partial<EventAcceptorDeps> = {}) => {
    const routes = createRouteCache((customerId) => endpointStore.readRoutes(customerId));
    const acceptor = createEventAcceptor({
      pool: ingestPool,
      largePool: pool,
      clock,
      routes,
      enqueuer,
      logger,
      idempotencyWindowHours: 24,
      retentionDays: 30,
      ...deps,
    });
    return { acceptor, routes };
  };
  const openOneShotAcceptor = () => {
    const routes = createRouteCache((customerId) => endpointStore.readRoutes(customerId));
    return createOneShotAcceptor({
      pool: ingestPool,
      clock,
      routes,
      oneShots: oneShotStore,
      enqueuer,
      logger,
      idempotencyWindowHours: 24,
    });
  };
  const { acceptor } = openAcceptor();
  const handle = createDeliveryAttempter({
    pool: keyLookupPool,
    clock,
    endpoints,
    oneShots: oneShotStore,
    sender: {
      send: options.wrapSend
        ? options.wrapSend((request) => sender.send(request))
        : (request) => sender.send(request),
    },
    settler: createDeliverySettler({ pool: keyLookupPool, clock, logger, holdLimitMs: holdLimitMs(30) }),
    logger,
    timeoutMs: 5_000,
    endpointMaxInFlight: 10,
    holdLimitMs: holdLimitMs(30),
  });
  const customerOf = new Map<string, string>();

  return {
    database,
    openAnother: (name, poolMax) =>
      openDatabase({ url: `${testDatabase.url}?application_name=${name}`, poolMax, logger: silent }),
    endpointStore,
    endpoints,
    enqueued,
    openAcceptor,
    openOneShotAcceptor,
    oneShotStore,
    secretBox,
    acceptor,
    handle,
    async addCustomer(id) {
      const noSettings = {
        name: null,
        metadata: null,
        notificationUrl: null,
        maxInFlight: null,
        rateLimit: null,
      };
      await customers.put(id, { ...noSettings, maxEndpoints: null });
    },
    setNotificationUrl: (customerId, url) =>
      prisma.$transaction((tx) => keepNotificationEndpoint(tx, { secretBox, clock }, customerId, url)),
    async addEndpoint(customerId, settings) {
      const outcome = await endpointStore.create(customerId, {
        eventTypes: ['*'],
        description: null,
        headers: {},
        signing: { scheme: 'standard' },
        retryPolicy: null,
        maxInFlight: null,
        rateLimit: null,
        ...settings,
      });
      if (outcome.kind !== 'created') throw new Error(outcome.kind);
      customerOf.set(outcome.endpoint.id, customerId);
      return { id: outcome.endpoint.id, secret: outcome.secret };
    },
    async accept(event) {
      const outcome = await acceptor.accept({
        type: 'invoice.paid',
        dataSource: '{"n":1}',
        externalId: null,
        occurredAtMs: null,
        idempotencyKey: null,
        ...event,
      });
      if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
      return outcome.id;
    },
    jobOf: (eventId, endpointId) => ({
      customerId: customerOf.get(endpointId) ?? '',
      endpointId,
      deliveryId: deliveryIdOf(eventId, endpointId),
      eventId,
      generation: 1,
    }),
    async delivery(eventId, endpointId) {
      const { rows } = await pool.query<Record<string, unknown>>('SELECT * FROM delivery WHERE id = $1', [
        deliveryIdOf(eventId, endpointId),
      ]);
      return rows[0] ?? {};
    },
    async attempts(eventId, endpointId) {
      const { rows } = await pool.query<Record<string, unknown>>(
        'SELECT * FROM attempt WHERE delivery_id = $1 ORDER BY number',
        [deliveryIdOf(eventId, endpointId)],
      );
      return rows;
    },
    erase: (customerId, signal) =>
      eraseCustomer(
        { pool, queue: { eraseCustomer: () => Promise.resolve() }, logger, ...(signal && { signal }) },
        customerId,
      ),
    async close() {
      await acceptor.close();
      await sender.close();
      await database.close();
      await testDatabase.drop();
    },
  };
}

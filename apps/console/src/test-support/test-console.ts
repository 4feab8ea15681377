import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scope } from '@posthorn/api-contract';
import {
  createApiKeyStore,
  createAuditStore,
  createCustomerStore,
  createPortalLinkStore,
  type Database,
  ensurePartitions,
  openDatabase,
} from '@posthorn/database';
import {
  throttleAnonymous,
  authenticate,
  createApiKeyDirectory,
  createAuditTrail,
  createHttpApp,
  createIdentities,
  createPortalSessionDirectory,
  type FailedAttempts,
} from '@posthorn/http';
import { createLogger, createSecretBox } from '@posthorn/runtime';
import supertest from 'supertest';
import { type ConsoleRouterDeps, createConsoleRouter } from '../console-router.js';
import type { StreamSettings } from '../stream/stream.js';

/** supertest's agent, with answers that are not `any`. */
export interface Agent {
  get(path: string): Exchange;
  head(path: string): Exchange;
  put(path: string): Exchange;
  post(path: string): Exchange;
  patch(path: string): Exchange;
  delete(path: string): Exchange;
}

export interface Exchange extends Promise<{
  type: string;
  text: string;
  headers: Record<string, string>;
  body: Body;
}> {
  send(body: object | string): Exchange;
  set(header: string, value: string): Exchange;
  expect(status: number, text?: string): Exchange;
}

/** The members that tests take out of answers, whichever answer it is. */
export interface Body {
  id: string;
  number: number;
  data: Body[];
  nextCursor: string;
  code: string;
  key: string;
  hint: string;
  secret: string;
  secrets: unknown[];
  previousExpiresAt: string;
  nextAttemptAt: string;
  waitingFor: string | null;
  updatedAt: string;
  createdAt: string;
  archivedAt: string | null;
  requestId: string;
  at: string;
  keyId: string;
  portalLinkId: string;
  url: string;
  token: string;
  expiresAt: string;
  operation: string;
}

export type EnqueuedJob = Parameters<ConsoleRouterDeps['queue']['enqueue']>[0][number];

export interface TestConsole {
  database: Database;
  /** What the console handed to the queue. */
  enqueued: EnqueuedJob[];
  /** For what supertest does not do. */
  origin: string;
  /** As when the change feed has missed something. */
  forgetKeys(): void;
  /** As when the change feed says that this key changed. */
  keyChanged(id: string): void;
  /** What the process does first when it is to end. */
  stopWaiting(): void;
  /** Requests with this key. */
  as(key: string): Agent;
  admin: Agent;
  adminKey: string;
  anyone: Agent;
  createKey(scopes: Scope[], customerId?: string): Promise<string>;
  putCustomer(id: string): Promise<void>;
  /** Empties the tables, but for the admin key. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** The real app on the real database. Targets at `refused.example` are refused. */
export async function startTestConsole(
  databaseUrl: string,
  {
    publicUrl = null,
    stream = {},
    failedAttempts = { refuse: () => undefined, note: () => undefined },
  }: { publicUrl?: string | null; stream?: Partial<StreamSettings>; failedAttempts?: FailedAttempts } = {},
): Promise<TestConsole> {
  const logger = createLogger({ level: 'silent', role: 'test' });
  const database = openDatabase({ url: databaseUrl, poolMax: 10, logger });
  await ensurePartitions(database.pool, { nowMs: Date.now() });
  const apiKeys = createApiKeyStore(database);
  const directory = createApiKeyDirectory({ apiKeys, clock: database.clock, logger });
  const portalSessions = createPortalSessionDirectory(createPortalLinkStore(database));
  const identities = createIdentities({ apiKeys: directory, portalSessions, failedAttempts });
  const auditTrail = createAuditTrail(createAuditStore(database), logger);
  const enqueued: EnqueuedJob[] = [];
  const stopping = new AbortController();
  const router = createConsoleRouter({
    authentication: authenticate({ identities, limits: { count: () => undefined }, auditTrail }),
    admission: throttleAnonymous({ failedAttempts, auditTrail }),
    database,
    secretBox: createSecretBox([{ id: 'k1', key: randomBytes(32) }]),
    checkTargetUrl: (url) =>
      new URL(url).hostname === 'refused.example'
        ? { ok: false, reason: 'address_refused', message: 'The target is not a public address.' }
        : { ok: true },
    queue: {
      enqueue: (jobs) => {
        enqueued.push(...jobs);
        return Promise.resolve();
      },
      eraseCustomer: () => Promise.resolve(),
    },
    logger,
    retentionDays: 30,
    endpointInFlightMax: 10,
    endpointsMax: 20,
    portal: { publicUrl, sessionSeconds: 3_600 },
    timeoutMs: 5_000,
    stopping: stopping.signal,
    stream: { streamsMax: 100, ...stream },
  });
  const server: Server = createHttpApp({ logger, routers: [router], trustedProxies: ['127.0.0.1'] }).listen(
    0,
    '127.0.0.1',
  );

  await once(server, 'listening');
  const anyone = supertest.agent(server) as unknown as Agent;
  const as = (key: string) =>
    supertest.agent(server).set('Authorization', `Bearer ${key}`) as unknown as Agent;
  const createKey = async (scopes: Scope[], customerId: string | null = null) => {
    const outcome = await apiKeys.create({ name: null, scopes, customerId });
    if (outcome.kind !== 'created') throw new Error(outcome.kind);
    return outcome.key;
  };
  const adminKey = await createKey(['admin']);
  return {
    database,
    enqueued,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forgetKeys: () => directory.onGap(),
    keyChanged: (id) => directory.onChange('api_key', id),
    stopWaiting: () => stopping.abort(),
    as,
    admin: as(adminKey),
    adminKey,
    anyone,
    createKey,
    async putCustomer(id) {
      await createCustomerStore(database).put(id, {
        name: null,
        metadata: null,
        notificationUrl: null,
        maxInFlight: null,
        rateLimit: null,
        maxEndpoints: null,
      });
    },
    async clear() {
      await database.pool.query(
        'TRUNCATE event, one_shot, one_shot_secret, delivery, attempt, endpoint_secret, endpoint_health, endpoint_failing, endpoint, replay, replay_lane, replay_delivery, idempotent_answer, erasure',
      );
      await database.pool.query('DELETE FROM api_key WHERE hint <> $1', [adminKey.slice(0, 10)]);
      await database.pool.query('DELETE FROM customer');
    },
    async close() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      await directory.close();
      await database.close();
    },
  };
}

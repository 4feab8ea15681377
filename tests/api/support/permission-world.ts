import type { Scope } from '@posthorn/api-contract';
import { openDatabase } from '@posthorn/database';
import { createLogger, createShutdown, loadConfig, type Role } from '@posthorn/runtime';
import { createTestDatabase, testRedis } from '@posthorn/testing';
import { setTimeout as pause } from 'node:timers/promises';
import { migrateDatabase } from '../../../apps/cli/src/migrate-database.js';
import { findMigrationsDir } from '../../../apps/cli/src/migrations-dir.js';
import { startRoles } from '../../../apps/cli/src/start-roles.js';

/** What a request was answered with; the body where it is JSON. */
export interface Answered {
  status: number;
  body: AnsweredBody;
}

export interface AnsweredBody {
  id: string;
  key: string;
  url: string;
  token: string;
  code?: string;
  data: Record<string, unknown>[];
  results: { status: number }[];
}

/** The real thing with an operator's key, and ways to lay in what requests are about. */
export interface PermissionWorld {
  port: number;
  adminKey: string;
  /** For what no request brings about. */
  sql(statement: string, values?: unknown[]): Promise<void>;
  /** Every row of what requests can change, by table; when a key was last used is left out. */
  rows(): Promise<Record<string, unknown>>;
  send(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<Answered>;
  /** As the operator; throws unless it succeeds. */
  admin(method: string, path: string, body?: unknown): Promise<AnsweredBody>;
  key(scopes: Scope[], customerId?: string): Promise<string>;
  /** The token of a new portal link. */
  linkToken(customerId: string): Promise<string>;
  /** The token of a new portal session. */
  portal(customerId: string): Promise<string>;
  customer(): Promise<string>;
  endpoint(customerId: string): Promise<string>;
  disabledEndpoint(customerId: string): Promise<string>;
  event(customerId: string): Promise<string>;
  /** Pending, of an event and an endpoint of its own. */
  delivery(customerId: string): Promise<string>;
  /** The customer's one that is going on. */
  replay(customerId: string, state: 'running' | 'paused'): Promise<string>;
  close(): Promise<void>;
}

/** Gets only what is sent to it on purpose, so that events do not fan out to hundreds. */
const quietEndpoint = { url: 'https://example.com/', eventTypes: ['never.sent'] };
const adminKey = `phk_${'a'.repeat(43)}`;

export interface PermissionWorldOptions {
  env?: Record<string, string>;
  /** Without `worker` nothing is sent, and what is due stays so. */
  roles?: readonly Role[];
  /** Where the server finds its database, for one that is to lose it. */
  reach?: (databaseUrl: string) => string;
  /** Services of the test's own. Default: those of the test run. */
  services?: { databaseUrl: string; redisUrl: string };
}

export async function openPermissionWorld({
  env = {},
  roles = ['ingest', 'console'],
  reach = (url) => url,
  services,
}: PermissionWorldOptions = {}): Promise<PermissionWorld> {
  const testDatabase = services
    ? { url: services.databaseUrl, drop: () => Promise.resolve() }
    : await createTestDatabase();
  const redis = services
    ? { url: services.redisUrl, prefix: '{ph:0}', drop: () => Promise.resolve() }
    : testRedis();
  const logger = createLogger({ level: 'silent', role: 'test' });
  const migrationsDir = findMigrationsDir();
  await migrateDatabase({ databaseUrl: testDatabase.url, migrationsDir, logger });
  const database = openDatabase({ url: testDatabase.url, poolMax: 1, logger });
  const config = loadConfig(
    {
      DATABASE_URL: reach(testDatabase.url),
      REDIS_URL: redis.url,
      POSTHORN_QUEUE_PREFIX: redis.prefix,
      POSTHORN_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32).toString('base64')}`,
      POSTHORN_ADMIN_KEY: adminKey,
      POSTHORN_API_REQUESTS_PER_SECOND: '0',
      POSTHORN_HOST: '127.0.0.1',
      POSTHORN_PORT: '0',
      ...env,
    },
    { command: 'serve', roles },
  );
  const shutdown = createShutdown(logger);
  const { port } = await startRoles({ config, roles, migrationsDir, logger, shutdown });

  const send: PermissionWorld['send'] = async (method, path, { token, body } = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: method.toUpperCase(),
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const type = response.headers.get('content-type') ?? '';
    if (/json/.test(type)) return { status: response.status, body: (await response.json()) as AnsweredBody };
    await response.body?.cancel();
    return { status: response.status, body: {} as AnsweredBody };
  };
  const admin: PermissionWorld['admin'] = async (method, path, body) => {
    const answer = await patiently(() => send(method, path, { token: adminKey, body }));
    if (answer.status > 299) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  };
  const endpoint = async (customerId: string) =>
    (await admin('post', `/v1/customers/${customerId}/endpoints`, quietEndpoint)).id;
  const event = async (customerId: string) =>
    (await admin('post', '/v1/events', { customerId, type: 'invoice.paid', data: { invoice: 'in_1' } })).id;
  const linkToken = async (customerId: string) =>
    new URL((await admin('post', `/v1/customers/${customerId}/portal-links`)).url).hash.slice(
      '#token='.length,
    );
  let customers = 0;

  return {
    port,
    adminKey,
    async sql(statement, values = []) {
      await database.pool.query(statement, values);
    },
    async rows() {
      const { rows: tables } = await database.pool.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
      );
      const found: Record<string, unknown> = {};
      for (const { name } of tables) {
        const { rows } = await database.pool.query<{ row: unknown }>(
          `SELECT to_jsonb(t) - 'last_used_at' AS row FROM "${name}" t ORDER BY 1`,
        );
        found[name] = rows.map(({ row }) => row);
      }
      return found;
    },
    send,
    admin,
    key: async (scopes, customerId) => (await admin('post', '/v1/api-keys', { scopes, customerId })).key,
    linkToken,
    async portal(customerId) {
      const token = await linkToken(customerId);
      return (await admin('post', '/v1/portal/session', { token })).token;
    },
    customer: async () => (await admin('put', `/v1/customers/made-${++customers}`, {})).id,
    endpoint,
    async disabledEndpoint(customerId) {
      const id = await endpoint(customerId);
      await database.pool.query(
        `UPDATE endpoint SET status = 'disabled', disabled_reason = 'gone' WHERE id = (
           SELECT id FROM endpoint WHERE customer_id = $1 ORDER BY id DESC LIMIT 1)`,
        [customerId],
      );
      return id;
    },
    event,
    async delivery(customerId) {
      const eventId = await event(customerId);
      const endpointId = await endpoint(customerId);
      return (await admin('post', `/v1/events/${eventId}/replay`, { endpointId })).id;
    },
    async replay(customerId, state) {
      const before = await admin('get', `/v1/replays?customerId=${customerId}`);
      for (const { id, state: was } of before.data)
        if (was === 'running' || was === 'paused') await admin('post', `/v1/replays/${String(id)}/cancel`);
      const { id } = await admin('post', '/v1/replays', { customerId });
      if (state === 'paused') await admin('post', `/v1/replays/${id}/pause`);
      return id;
    },
    async close() {
      await shutdown.close();
      await database.close();
      await redis.drop();
      await testDatabase.drop();
    },
  };
}

/** On a machine that is busy with others ingest may say that it is overloaded. Comes again, as a producer would. */
export async function patiently(send: () => Promise<Answered>): Promise<Answered> {
  for (let tries = 0; ; tries += 1) {
    const answer = await send();
    if (answer.status !== 503 || tries === OVERLOADED_TRIES) return answer;
    await pause(OVERLOADED_PAUSE_MS);
  }
}

const OVERLOADED_TRIES = 40;
const OVERLOADED_PAUSE_MS = 250;

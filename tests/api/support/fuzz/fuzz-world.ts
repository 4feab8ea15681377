import { createLogger, createShutdown, loadConfig } from '@posthorn/runtime';
import { createTestDatabase, startReceiver, testRedis } from '@posthorn/testing';
import { Writable } from 'node:stream';

import { migrateDatabase } from '../../../../apps/cli/src/migrate-database.js';
import { findMigrationsDir } from '../../../../apps/cli/src/migrations-dir.js';
import { startRoles } from '../../../../apps/cli/src/start-roles.js';
import type { KnownThings } from './known-things.js';
import type { Credential } from './plan.js';
import { createRawSender } from './send-raw.js';

export interface LogLine {
  level: string;
  msg: string;
}

/** All roles on a database and a Redis of their own, with something in them to ask for. */
export interface FuzzWorld {
  port: number;
  /** What endpoints may be at: here, or refused. */
  urls: readonly string[];
  /** What requests must not name, as the run needs it itself. */
  hidden: readonly string[];
  /** Answers that tell of what there is at first. */
  laidIn: unknown[];
  /** Lays in a customer's endpoints and events anew; answers that tell of them. */
  layIn(): Promise<unknown[]>;
  authorization(credential: Credential, known: KnownThings): string | null;
  /** Lines that were logged as errors since it was asked last. */
  takeErrors(): LogLine[];
  close(): Promise<void>;
}

const adminKey = `phk_${'a'.repeat(43)}`;

export async function openFuzzWorld(): Promise<FuzzWorld> {
  const receiver = await startReceiver(({ path }) => ({
    status: path.startsWith('/fail') ? 500 : 204,
    body: path.startsWith('/fail') ? 'no' : '',
  }));
  const testDatabase = await createTestDatabase();
  const redis = testRedis();
  const errors: LogLine[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const text of chunk.toString().split('\n')) {
        const line = text === '' ? null : (JSON.parse(text) as LogLine);
        if (line?.level === 'error') errors.push(line);
      }
      done();
    },
  });
  const logger = createLogger({ level: 'error', role: 'test', destination });
  const migrationsDir = findMigrationsDir();
  await migrateDatabase({ databaseUrl: testDatabase.url, migrationsDir, logger });
  const roles = ['ingest', 'console', 'worker'] as const;
  const config = loadConfig(
    {
      DATABASE_URL: testDatabase.url,
      REDIS_URL: redis.url,
      POSTHORN_QUEUE_PREFIX: redis.prefix,
      POSTHORN_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32).toString('base64')}`,
      POSTHORN_ADMIN_KEY: adminKey,
      POSTHORN_API_REQUESTS_PER_SECOND: '0',
      POSTHORN_AUTH_FAILURES_PER_MINUTE: '0',
      POSTHORN_ALLOW_TARGETS: '127.0.0.0/8',
      POSTHORN_HOST: '127.0.0.1',
      POSTHORN_PORT: '0',
    },
    { command: 'serve', roles },
  );
  const shutdown = createShutdown(logger);
  const { port } = await startRoles({ config, roles, migrationsDir, logger, shutdown });

  const sender = createRawSender(port);
  const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const text = body === undefined ? null : Buffer.from(JSON.stringify(body));
    const response = await sender.sendUntilTaken({
      method,
      target: path,
      headers: {
        host: '127.0.0.1',
        authorization: `Bearer ${adminKey}`,
        ...(text && { 'content-type': 'application/json', 'content-length': String(text.length) }),
      },
      body: text,
    });
    const answer = JSON.parse(response.body.toString()) as Record<string, unknown>;
    // A schema that the run has set for a type may still be known for a second.
    if (response.status < 300 || response.status === 404 || response.status === 422) return answer;
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  };
  const keyOf = async (scopes: string[], customerId?: string) =>
    String((await call('POST', '/v1/api-keys', { scopes, customerId }))['key']);
  const keys: Partial<Record<Credential, string>> = {
    'who may': adminKey,
    'read key': await keyOf(['read']),
    'deliveries key': await keyOf(['deliveries:write']),
    'write key': await keyOf(['events:write']),
    unknown: `phk_${'u'.repeat(43)}`,
    garbage: '\u00ff',
  };
  const layIn = async () => {
    const told = await layInThings(call, receiver.url);
    keys['restricted key'] = await keyOf(['admin', 'read', 'deliveries:write', 'events:write'], 'acme');
    return told;
  };
  const laidIn = await layIn();
  const { data } = (await call('GET', '/v1/api-keys')) as { data: { id: string }[] };

  return {
    port,
    urls: [
      receiver.url,
      `${receiver.url}/fail`,
      'http://127.0.0.1:1/closed',
      'http://10.0.0.1/refused',
      'http://[::1]/refused',
      'https://nowhere.invalid/',
    ],
    hidden: data.map(({ id }) => id),
    laidIn,
    layIn,
    authorization(credential, known) {
      if (credential === 'none') return null;
      const token = keys[credential] ?? known.sessionTokens().at(-1) ?? 'phs_none';
      return `Bearer ${token}`;
    },
    takeErrors: () => errors.splice(0),
    async close() {
      sender.close();
      await shutdown.close();
      await receiver.close();
      await redis.drop();
      await testDatabase.drop();
    },
  };
}

type Call = (method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>;

/** From the start each time: what many requests have made would only slow down the rest. */
async function layInThings(call: Call, receiverUrl: string): Promise<unknown[]> {
  const told: unknown[] = [];
  const tell = async (...[method, path, body]: Parameters<Call>) => {
    const answer = await call(method, path, body);
    told.push(answer);
    return answer;
  };
  await tell('PUT', '/v1/event-types/checked.type', {
    schema: { properties: { total: { type: 'number' }, a: { $ref: '#' } } },
  });
  await tell('PUT', '/v1/event-types/invoice.paid', {});
  for (const customerId of ['acme', 'other']) {
    await call('DELETE', `/v1/customers/${customerId}`);
    await tell('PUT', `/v1/customers/${customerId}`, {});
    for (const [path, eventTypes] of [
      ['', ['*']],
      ['/fail', ['invoice.*']],
      ['/never', ['never.sent']],
    ]) {
      await tell('POST', `/v1/customers/${customerId}/endpoints`, {
        url: `${receiverUrl}${String(path)}`,
        eventTypes,
      });
    }
    for (const type of ['invoice.paid', 'checked.type']) {
      await tell('POST', '/v1/events', { customerId, type, data: { total: 1 } });
    }
    await tell('POST', '/v1/webhooks/deliver', { customerId, url: receiverUrl, payload: 1 });
    await tell('POST', `/v1/customers/${customerId}/portal-links`);
    const link = await tell('POST', `/v1/customers/${customerId}/portal-links`);
    await tell('POST', '/v1/portal/session', { token: String(link['url']).split('#token=')[1] });
    await tell('POST', '/v1/replays', { customerId, status: 'delivered' });
    await tell('GET', `/v1/deliveries?customerId=${customerId}&limit=3`);
  }
  await tell('POST', '/v1/api-keys', { scopes: ['read'] });
  await tell('GET', '/v1/audit-log?limit=2');
  return told;
}

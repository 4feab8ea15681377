import { buildOpenApi, type OperationId, operations } from '@posthorn/api-contract';
import {
  type BreakablePostgres,
  startBreakablePostgres,
  startPrivateRedis,
  waitUntil,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { createAnswerCheck } from './support/answer-check.js';
import { createRawSender, type RawSender, type ReceivedAnswer } from './support/fuzz/send-raw.js';
import { isForPortalsOnly, pathOf } from './support/outcomes/common-outcomes.js';
import type { OutcomeRequest } from './support/outcomes/outcome-requests.js';
import { openPermissionWorld, type PermissionWorld } from './support/permission-world.js';
import { permissionRequests } from './support/permission-requests.js';

/** Need no database. */
const withoutDatabase = new Set<OperationId>(['getHealth', 'getOpenApi', 'getDocs']);
/** Says in a body of its own that it is not ready. */
const readiness: OperationId = 'getReady';

const document = buildOpenApi();
const check = createAnswerCheck(document);
const documented = new Map(
  Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .map((operation) => [operation.operationId, operation]),
);
const operationIds = Object.keys(operations) as OperationId[];
const reads = operationIds.filter((id) => operations[id].method === 'get');

interface Case {
  name: string;
  id: OperationId;
  request: OutcomeRequest;
}

let postgres: BreakablePostgres;
let redis: Awaited<ReturnType<typeof startPrivateRedis>>;
let world: PermissionWorld;
let senders: RawSender[];
let cases: Case[];
/** Of a role that is no superuser, so that limits hold for it. */
let databaseUrl: string;

beforeAll(async () => {
  [postgres, redis] = await Promise.all([startBreakablePostgres(), startPrivateRedis()]);
  databaseUrl = await ownedByRole('posthorn_app');
  world = await openPermissionWorld({ services: { databaseUrl, redisUrl: redis.url } });
  senders = Array.from({ length: 16 }, () => createRawSender(world.port));
  await world.admin('put', '/v1/customers/acme', {});
  await world.admin('put', '/v1/customers/never-used', {});
  const session = await world.portal('acme');
  cases = [];
  for (const id of operationIds) {
    const request = await permissionRequests[id].make(world, 'acme');
    const token = isForPortalsOnly(id) ? session : world.adminKey;
    cases.push({ name: id, id, request: id === 'openPortalSession' ? request : { ...request, token } });
  }
  cases.push(...(await ofNobodyKnown()));
}, 300_000);
afterAll(async () => {
  for (const sender of senders) sender.close();
  await postgres.start();
  await world.close();
  await Promise.all([redis.stop(), postgres.close()]);
}, 300_000);

async function ownedByRole(role: string): Promise<string> {
  await asSuperuser([`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`, `CREATE DATABASE app OWNER ${role}`]);
  const url = new URL(postgres.url);
  url.username = role;
  url.password = 'secret';
  url.pathname = '/app';
  return url.href;
}

async function asSuperuser(statements: readonly string[]): Promise<void> {
  const client = new pg.Client(postgres.url);
  client.on('error', () => undefined);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** Requests about a customer that no cache has, with the other key; a batch that mixes both. */
async function ofNobodyKnown(): Promise<Case[]> {
  const key = await world.key(['events:write']);
  const event = (customerId: string) => ({ customerId, type: 'invoice.paid', data: {} });
  const token = world.adminKey;
  return [
    { name: 'an event, cold', id: 'createEvent', request: { body: event('never-used'), token } },
    {
      name: 'a batch, cold',
      id: 'createEvents',
      request: { body: { events: [event('never-used'), event('never-used')] }, token },
    },
    {
      name: 'a batch, warm and cold',
      id: 'createEvents',
      request: { body: { events: [event('acme'), event('never-used')] }, token },
    },
    {
      name: 'a one-shot, cold',
      id: 'deliverWebhook',
      request: {
        body: { customerId: 'never-used', url: 'https://elsewhere.example.com/', payload: {} },
        token,
      },
    },
    { name: 'a key, cold', id: 'createEvent', request: { body: event('acme'), token: key } },
  ];
}

/** Every case, a few at a time; what each was answered with. */
async function sendAll(list: readonly Case[]): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  const left = [...list];
  await Promise.all(
    senders.map(async (sender) => {
      for (let next = left.shift(); next; next = left.shift()) {
        answers[next.name] = describeAnswer(next.id, await send(sender, next));
      }
    }),
  );
  return answers;
}

function send(sender: RawSender, { id, request }: Case): Promise<ReceivedAnswer> {
  const text = request.body === undefined ? null : JSON.stringify(request.body);
  return sender.send({
    method: operations[id].method.toUpperCase(),
    target: pathOf(id, request),
    headers: {
      host: '127.0.0.1',
      ...(request.token !== undefined && { authorization: `Bearer ${request.token}` }),
      ...(text !== null && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      }),
    },
    body: text === null ? null : Buffer.from(text),
  });
}

/** `unavailable`, `success`, or what else came. */
function describeAnswer(id: OperationId, answer: ReceivedAnswer): string {
  const { status, headers, body } = answer;
  const text = body.toString();
  const problems = check.of(documented.get(id)!, answer);
  if (problems.length > 0) return `${status} ${problems.join('; ')}: ${text.slice(0, 300)}`;
  if (id === 'createEvents' && status === 202 && text.includes('"status":500')) return `202 ${text}`;
  if (status < 300) return 'success';
  const isRefusal = status === 503 && Number(headers['retry-after']) > 0;
  if (isRefusal && (JSON.parse(text) as { code: string }).code === 'unavailable') return 'unavailable';
  if (id === readiness && status === 503) return 'not ready';
  return `${status} ${text.slice(0, 300)}`;
}

function expected(of: (id: OperationId) => string): Record<string, string> {
  return Object.fromEntries(
    cases.map(({ name, id }) => [
      name,
      withoutDatabase.has(id) ? 'success' : id === readiness ? 'not ready' : of(id),
    ]),
  );
}

/** Until every process and cache is as before the outage. */
async function untilWell(): Promise<void> {
  await waitUntil(async () => (await world.send('get', '/ready')).status === 200, { timeoutMs: 60_000 });
}

/** What the caches may keep is asked for, so that it is there. */
async function warmUp(): Promise<void> {
  await untilWell();
  await world.admin('post', '/v1/events', { customerId: 'acme', type: 'invoice.paid', data: {} });
}

const endOurConnections = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app'`;

/** Each begins an outage of the real server; what it returns ends it. */
const outages: Record<string, () => Promise<() => Promise<void>>> = {
  'has crashed': async () => {
    await postgres.crash();
    return () => postgres.start();
  },
  'hangs with its connections open': async () => {
    postgres.freeze();
    return async () => postgres.thaw();
  },
  'recovers and takes no connections (57P03)': async () => {
    await postgres.start('recovering');
    return () => postgres.start();
  },
  'has no connection free (53300)': async () => {
    await asSuperuser([`ALTER ROLE posthorn_app CONNECTION LIMIT 0`, endOurConnections]);
    return () => asSuperuser([`ALTER ROLE posthorn_app CONNECTION LIMIT -1`]);
  },
  'has a new password (28P01)': async () => {
    await asSuperuser([`ALTER ROLE posthorn_app PASSWORD 'changed'`, endOurConnections]);
    return () => asSuperuser([`ALTER ROLE posthorn_app PASSWORD 'secret'`]);
  },
  'has lost the right to log in (28000)': async () => {
    await asSuperuser([`ALTER ROLE posthorn_app NOLOGIN`, endOurConnections]);
    return () => asSuperuser([`ALTER ROLE posthorn_app LOGIN`]);
  },
  'has its database under another name (3D000)': async () => {
    await asSuperuser([
      `ALTER DATABASE app WITH ALLOW_CONNECTIONS false`,
      endOurConnections,
      `ALTER DATABASE app RENAME TO moved`,
    ]);
    return () =>
      asSuperuser([`ALTER DATABASE moved RENAME TO app`, `ALTER DATABASE app WITH ALLOW_CONNECTIONS true`]);
  },
};

describe('while Postgres', () => {
  it.each(Object.keys(outages))(
    '%s, every operation that needs it answers 503 with Retry-After',
    async (name) => {
      await warmUp();
      const end = await outages[name]!();
      const answers = await sendAll(cases).finally(end);
      expect(answers).toEqual(expected(() => 'unavailable'));
      await untilWell();
    },
    300_000,
  );

  it('is a standby, what reads succeeds and what writes answers 503', async () => {
    await warmUp();
    await postgres.start('standby');
    const answers = await sendAll(cases).finally(() => postgres.start());
    const wrong = Object.entries(answers).filter(
      ([, answer]) => !['success', 'unavailable', 'not ready'].includes(answer),
    );
    expect(wrong).toEqual([]);
    for (const id of ['createEvent', 'createEvents', 'deliverWebhook', 'putCustomer', 'createEndpoint'])
      expect([id, answers[id]]).toEqual([id, 'unavailable']);
    for (const id of reads.filter((one) => one.startsWith('list') && !isForPortalsOnly(one)))
      expect([id, answers[id]]).toEqual([id, 'success']);
    await untilWell();
  }, 300_000);
});

describe('while Redis', () => {
  it('is stopped, every operation answers as it does with it', async () => {
    await warmUp();
    const { port } = redis;
    await redis.stop();
    const answers = await sendAll(cases).finally(async () => {
      redis = await startPrivateRedis({ port });
    });
    const wrong = Object.entries(answers).filter(([, answer]) => /^5|unavailable/.test(answer));
    expect(wrong).toEqual([]);
  }, 300_000);
});

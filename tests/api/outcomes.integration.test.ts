import { buildOpenApi, type OperationId, operations } from '@posthorn/api-contract';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startReceiver, waitUntil } from '@posthorn/testing';

import { createAnswerCheck } from './support/answer-check.js';
import { createRawSender, type RawSender, type ReceivedAnswer } from './support/fuzz/send-raw.js';
import {
  type Callers,
  commonRefusal,
  isForPortalsOnly,
  pathOf,
  successfulRequest,
} from './support/outcomes/common-outcomes.js';
import { type DatabaseProxy, startDatabaseProxy } from './support/outcomes/database-proxy.js';
import { documentedOutcomes, type Outcome } from './support/outcomes/documented-outcomes.js';
import { type OutcomeRequest, outcomeRequests } from './support/outcomes/outcome-requests.js';
import { openPermissionWorld, type PermissionWorld } from './support/permission-world.js';

interface Stage {
  world: PermissionWorld;
  sender: RawSender;
  callers: Callers;
}

const document = buildOpenApi();
const check = createAnswerCheck(document);
const operationIds = Object.keys(operations) as OperationId[];
const outcomes = new Map(
  Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .map((operation) => [
      operation.operationId,
      { operation, list: documentedOutcomes(document, operation) },
    ]),
);
/** `createEvent 202`: what has been seen, and was as the document says. */
const proven = new Set<string>();

let stage: Stage;
let strict: Stage;
let faulty: Stage;
let proxy: DatabaseProxy;

beforeAll(async () => {
  proxy = await startDatabaseProxy();
  stage = await openStage(await openPermissionWorld());
  strict = await openStage(
    await openPermissionWorld({
      env: { POSTHORN_API_REQUESTS_PER_SECOND: '20', POSTHORN_AUTH_FAILURES_PER_MINUTE: '1' },
    }),
  );
  faulty = await openStage(await openPermissionWorld({ reach: proxy.urlOf }));
}, 300_000);
afterAll(async () => {
  for (const { sender, world } of [stage, strict, faulty]) {
    sender.close();
    await world.close();
  }
}, 300_000);

async function openStage(world: PermissionWorld): Promise<Stage> {
  await world.admin('put', '/v1/customers/acme', {});
  const { key: spentKey } = await world.admin('post', '/v1/api-keys', {
    scopes: ['admin'],
    rateLimit: { max: 1, perSeconds: 86_400 },
  });
  await world.send('get', '/v1/ledger', { token: spentKey });
  const callers: Callers = {
    spentKey,
    async tokenFor(caller) {
      if (caller.kind === 'portal') return world.portal('acme');
      return caller.scopes.includes('admin') ? world.adminKey : world.key([...caller.scopes]);
    },
  };
  return { world, sender: createRawSender(world.port), callers };
}

async function send(
  { sender }: Stage,
  id: OperationId,
  request: OutcomeRequest,
  how: 'send' | 'sendUntilTaken' = 'sendUntilTaken',
): Promise<ReceivedAnswer> {
  const { body, headers = {}, token } = request;
  const text = typeof body === 'string' ? body : body === undefined ? null : JSON.stringify(body);
  const sent = sender[how]({
    method: operations[id].method.toUpperCase(),
    target: pathOf(id, request),
    headers: {
      host: '127.0.0.1',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(text !== null && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      }),
      ...headers,
    },
    body: text === null ? null : Buffer.from(text),
  });
  await request.meanwhile?.();
  const answer = await sent;
  await request.after?.();
  return answer;
}

/** `as documented`, or what is not. */
function judge(id: OperationId, outcome: Outcome, answer: ReceivedAnswer): string {
  const { status, code, name } = outcome;
  const text = answer.body.toString();
  const said = code === null ? null : (JSON.parse(text) as { code: string }).code;
  const problems = check.of(outcomes.get(id)!.operation, answer);
  if (answer.status !== status || said !== code) return `${answer.status} ${text.slice(0, 300)}`;
  if (problems.length > 0) return problems.join('; ');
  proven.add(`${id} ${name}`);
  return 'as documented';
}

async function requestFor(id: OperationId, { code, name }: Outcome): Promise<OutcomeRequest | null> {
  const { world, callers } = stage;
  const own = outcomeRequests[id]?.[name];
  const before = async (before: OperationId, request: OutcomeRequest) => {
    await send(stage, before, { ...request, token: world.adminKey });
  };
  if (own) return { token: world.adminKey, ...(await own({ world, before })) };
  return code === null ? successfulRequest(id, world, callers) : commonRefusal(id, code, world, callers);
}

/** What the first stage cannot bring about: it has no worker, and nothing of it breaks. */
const elsewhere = (id: OperationId, { code, status, name }: Outcome) =>
  status >= 500 ||
  (id === 'testEndpoint' && name === '200') ||
  (code === 'rate_limited' && (isForPortalsOnly(id) || id === 'openPortalSession'));

describe('everything that the document says an operation can answer', () => {
  it.each(operationIds)('is what %s answers', async (id) => {
    const rows: Record<string, string> = {};
    for (const outcome of outcomes.get(id)!.list.filter((one) => !elsewhere(id, one))) {
      const request = await requestFor(id, outcome);
      rows[outcome.name] = request
        ? judge(id, outcome, await send(stage, id, request))
        : 'no request in outcome-requests.ts';
    }
    expect(rows).toEqual(Object.fromEntries(Object.keys(rows).map((name) => [name, 'as documented'])));
  });

  it('is what a test of an endpoint answers when it was sent', async () => {
    const receiver = await startReceiver();
    const world = await openPermissionWorld({
      roles: ['ingest', 'console', 'worker'],
      env: { POSTHORN_ALLOW_TARGETS: '127.0.0.0/8' },
    });
    const working = await openStage(world);
    const endpoint = { url: receiver.url, eventTypes: ['never.sent'] };
    const { id: endpointId } = await world.admin('post', '/v1/customers/acme/endpoints', endpoint);
    const outcome = { name: '200', status: 200, code: null };
    const request = { params: { endpointId }, body: { waitSeconds: 60 }, token: world.adminKey };
    expect(judge('testEndpoint', outcome, await send(working, 'testEndpoint', request))).toBe(
      'as documented',
    );
    working.sender.close();
    await world.close();
    await receiver.close();
  }, 300_000);

  it('is told to a portal session that asks too often, and to who guesses links', async () => {
    const token = await strict.world.portal('acme');
    const limited = { name: '429 rate_limited', status: 429, code: 'rate_limited' } as const;
    for (const id of operationIds.filter((one) => isForPortalsOnly(one) || one === 'openPortalSession')) {
      const request =
        id === 'openPortalSession'
          ? { body: { token: `phl_${'x'.repeat(43)}` } }
          : { query: { unknown: '1' }, token };
      await waitUntil(async () => judge(id, limited, await send(strict, id, request)) === 'as documented', {
        timeoutMs: 60_000,
      });
    }
  });
});

describe('an error of ours', () => {
  const guarded = operationIds.filter((id) => outcomes.get(id)!.list.some(({ status }) => status >= 500));
  const answers = async (id: OperationId, status: number) => {
    const outcome = outcomes.get(id)!.list.find((one) => one.status === status)!;
    return judge(id, outcome, await send(faulty, id, await requestOf(id), 'send'));
  };
  const requestOf = async (id: OperationId): Promise<OutcomeRequest> =>
    id === 'openPortalSession'
      ? { body: { token: `phl_${'x'.repeat(43)}` } }
      : { token: `phk_${'n'.repeat(43)}` };

  it('is told by every operation as the document says', async () => {
    await faulty.world.sql('ALTER TABLE api_key RENAME TO lost_key');
    await faulty.world.sql('ALTER TABLE portal_link RENAME TO lost_link');
    for (const id of guarded.filter((one) => one !== 'getReady'))
      expect([id, await answers(id, 500)]).toEqual([id, 'as documented']);
  }, 300_000);

  it('and so is it when the database is away', async () => {
    proxy.cut();
    for (const id of guarded) expect([id, await answers(id, 503)]).toEqual([id, 'as documented']);
  }, 300_000);
});

describe('the outcomes above', () => {
  it('are all that the document has', () => {
    const all = [...outcomes].flatMap(([id, { list }]) => list.map(({ name }) => `${id} ${name}`));
    expect(all.filter((outcome) => !proven.has(outcome))).toEqual([]);
  });
});

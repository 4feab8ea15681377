import { buildOpenApi, type OpenApiOperation, type OperationId, operations } from '@posthorn/api-contract';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createAnswerCheck } from './support/answer-check.js';
import { createRawSender, type RawSender } from './support/fuzz/send-raw.js';
import { isForPortalsOnly } from './support/outcomes/common-outcomes.js';
import { permissionRequests } from './support/permission-requests.js';
import { openPermissionWorld, type PermissionWorld } from './support/permission-world.js';

const document = buildOpenApi();
const check = createAnswerCheck(document);
const described = new Map(
  Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .map((operation) => [operation.operationId as OperationId, operation]),
);
const operationIds = Object.keys(operations) as OperationId[];

let world: PermissionWorld;
let sender: RawSender;

beforeAll(async () => {
  world = await openPermissionWorld();
  for (const id of ['acme', 'other']) await world.admin('put', `/v1/customers/${id}`, {});
  sender = createRawSender(world.port);
}, 120_000);
afterAll(async () => {
  sender.close();
  await world.close();
});

function bodyExample({ requestBody }: OpenApiOperation): unknown {
  return Object.values(requestBody?.content ?? {})[0]?.example;
}

/** Ids in an example name what is not there; those of the request that stands ready do. */
function withIdsOf(example: unknown, ready: unknown): unknown {
  if (typeof example !== 'object' || example === null || typeof ready !== 'object' || ready === null)
    return example;
  const ids = Object.entries(ready).filter(([name]) => name in example && name.endsWith('Id'));
  return { ...example, ...Object.fromEntries(ids) };
}

async function send(
  method: string,
  target: string,
  { token, body, headers = {} }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
) {
  const text = body === undefined ? null : Buffer.from(JSON.stringify(body));
  return sender.sendUntilTaken({
    method: method.toUpperCase(),
    target,
    headers: {
      host: '127.0.0.1',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(text && { 'content-type': 'application/json', 'content-length': String(text.length) }),
      ...headers,
    },
    body: text,
  });
}

describe('the example of a request in the document', () => {
  it.each(operationIds.filter((id) => operations[id].path.startsWith('/v1') && id !== 'streamDeliveries'))(
    'is answered by %s with a documented success, by an unrestricted key or a portal session',
    async (id) => {
      const operation = described.get(id)!;
      const ready = await permissionRequests[id].make(world, 'acme');
      const own = operation.requestBody ? bodyExample(operation) : undefined;
      if (operation.requestBody) expect(own).toBeDefined();
      // A link is good once and a customer is erased once; no example can know one.
      const body = id === 'openPortalSession' ? ready.body : withIdsOf(own, ready.body);
      const params = new Map(
        operation.parameters?.filter((one) => one.in === 'path').map(({ name, example }) => [name, example]),
      );
      const path = operations[id].path.replace(/\{(\w+)\}/g, (_match, name: string) =>
        id !== 'eraseCustomer' && (name === 'customerId' || (name === 'name' && id === 'putEventType'))
          ? String(params.get(name))
          : (ready.params?.[name] ?? ''),
      );
      const headers = Object.fromEntries(
        (operation.parameters ?? [])
          .filter((one) => one.in === 'header')
          .map(({ name, example }) => [name.toLowerCase(), `${String(example)}-${id}`]),
      );
      const token = isForPortalsOnly(id) ? await world.portal('acme') : world.adminKey;
      const answer = await send(operations[id].method, path, {
        ...(operation.security.length > 0 && { token }),
        ...(operation.requestBody && { body }),
        headers,
      });
      expect([answer.status < 300, answer.status < 300 ? '' : answer.body.toString()]).toEqual([true, '']);
      expect(check.of(operation, answer)).toEqual([]);
      for (const alias of (operations[id] as { aliases?: readonly string[] }).aliases ?? [])
        if (!alias.includes('{'))
          expect((await send(operations[id].method, alias, { token, body })).status).toBe(answer.status);
    },
  );
});

describe('the examples of answers in the document', () => {
  it.each(operationIds)('are what %s may answer, by its schemas', (id) => {
    const { responses } = described.get(id)!;
    for (const [status, documented] of Object.entries(responses)) {
      const response =
        '$ref' in documented
          ? document.components.responses[documented.$ref.split('/').at(-1) ?? '']!
          : documented;
      for (const [mediaType, { example }] of Object.entries(response.content ?? {})) {
        if (example === undefined) continue;
        const body = typeof example === 'string' ? example : JSON.stringify(example);
        const problems = check.of(described.get(id)!, {
          status: Number(status),
          headers: {
            'content-type': mediaType,
            'x-request-id': 'r',
            'retry-after': '1',
            'idempotent-replayed': 'true',
          },
          body: Buffer.from(body),
        });
        expect([id, status, problems]).toEqual([id, status, []]);
      }
    }
  });
});

describe('a method that a path is not for', () => {
  const methodsOf = new Map<string, Set<string>>();
  for (const { method, path, ...rest } of Object.values(operations))
    for (const at of [path, ...((rest as { aliases?: readonly string[] }).aliases ?? [])])
      methodsOf.set(at, (methodsOf.get(at) ?? new Set()).add(method.toUpperCase()));

  it.each([...methodsOf])(
    'is answered at %s with 405, and with the methods that it is for',
    async (path, methods) => {
      const allowed = [...methods, ...(methods.has('GET') ? ['HEAD'] : [])].sort();
      const target = path.replace(/\{(\w+)\}/g, 'any');
      const refused = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'].filter(
        (one) => !allowed.includes(one),
      );
      for (const token of [undefined, world.adminKey]) {
        for (const method of refused) {
          const answer = await send(method, target, token === undefined ? {} : { token });
          expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, allowed.join(', ')]);
        }
      }
    },
  );
});

describe('times at either end of what can be written', () => {
  const times = [
    '0001-01-01T00:00:00Z',
    '0001-01-01T00:00:00.001Z',
    '9999-12-31T00:00:00.001Z',
    '9999-12-31T23:59:59.999999999Z',
    '9998-12-31T23:59:59-23:59',
  ];
  const bounded = [...described.values()].filter(({ parameters = [] }) =>
    parameters.some(({ name }) => name === 'since' || name === 'until'),
  );
  const buckets = ['minute', 'hour', 'day'];

  it.each(bounded.map(({ operationId }) => operationId as OperationId))(
    'are answered by %s as the document says',
    async (id) => {
      for (const bucket of id === 'getStats' ? buckets : ['']) {
        for (const bound of ['since', 'until']) {
          for (const time of times) {
            const query = new URLSearchParams({ [bound]: time, ...(bucket !== '' && { bucket }) });
            const answer = await send('get', `${operations[id].path}?${query.toString()}`, {
              token: world.adminKey,
            });
            const seen = [bucket, bound, time, answer.body.toString()];
            expect([...seen, answer.status < 500]).toEqual([...seen, true]);
            expect([...seen, check.of(described.get(id)!, answer)]).toEqual([...seen, []]);
          }
        }
      }
    },
  );

  it('are kept by events and replays', async () => {
    for (const time of times) {
      const event = { customerId: 'acme', type: 'invoice.voided', data: 1, timestamp: time };
      const sent = await send('post', '/v1/events', { token: world.adminKey, body: event });
      expect([time, sent.status, check.of(described.get('createEvent')!, sent)]).toEqual([time, 202, []]);
      const { id } = JSON.parse(sent.body.toString()) as { id: string };
      const read = await send('get', `/v1/events/${id}`, { token: world.adminKey });
      expect([time, read.status, check.of(described.get('getEvent')!, read)]).toEqual([time, 200, []]);
      const customerId = await world.customer();
      const replay = await send('post', '/v1/replays', {
        token: world.adminKey,
        body: { customerId, since: time, until: time },
      });
      expect([time, replay.status, check.of(described.get('createReplay')!, replay)]).toEqual([
        time,
        201,
        [],
      ]);
      const cancel = await send('post', '/v1/deliveries/cancel', {
        token: world.adminKey,
        body: { customerId, since: time, until: time },
      });
      expect([time, cancel.status]).toEqual([time, 200]);
    }
  });
});

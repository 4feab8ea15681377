import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createRawSender, type RawSender } from './support/fuzz/send-raw.js';
import { openPermissionWorld, type PermissionWorld } from './support/permission-world.js';

interface Sent {
  method?: string;
  target: string;
  headers?: Record<string, string>;
  body?: string | null;
  /** The admin key unless told; null: none. */
  token?: string | null;
}

let world: PermissionWorld;
let sender: RawSender;
let tokens: Record<'read' | 'portal' | 'restricted', string>;

beforeAll(async () => {
  world = await openPermissionWorld();
  await world.admin('put', '/v1/customers/acme', {});
  tokens = {
    read: await world.key(['read']),
    portal: await world.portal('acme'),
    restricted: await world.key(['admin'], 'acme'),
  };
  sender = createRawSender(world.port);
}, 300_000);
afterAll(async () => {
  sender.close();
  await world.close();
});

/** The status and every sentence of the answer. */
async function answerTo({ method = 'POST', target, headers = {}, body = null, token }: Sent) {
  const bearer = token === undefined ? world.adminKey : token;
  const answer = await sender.sendUntilTaken({
    method,
    target,
    headers: {
      host: 'posthorn.test',
      ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
      ...(body !== null && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      }),
      ...headers,
    },
    body: body === null ? null : Buffer.from(body),
  });
  const { detail, errors = [] } = JSON.parse(answer.body.toString()) as {
    detail: string;
    errors?: { path: string; message: string }[];
  };
  return `${answer.status} ${[detail, ...errors.map(({ path, message }) => `${path}: ${message}`)].join(' | ')}`;
}

const endpoints = '/v1/customers/acme/endpoints';
const event = (change: object) =>
  JSON.stringify({ customerId: 'acme', type: 'invoice.paid', data: {}, ...change });

describe('a refusal says what is wrong and what is allowed', () => {
  it.each<[string, Sent, number, string[]]>([
    ['a list as the body', { target: endpoints, body: '[]' }, 400, ['The body must be a JSON object']],
    ['a text as the body', { target: '/v1/events', body: '"x"' }, 400, ['The event must be a JSON object']],
    [
      'null as the body',
      { target: '/v1/events/batch', body: 'null' },
      400,
      ['The body must be a JSON object'],
    ],
    ['an empty body', { target: endpoints, body: '' }, 400, ['The body is empty; send a JSON object']],
    [
      'JSON that breaks off',
      { target: endpoints, body: '{"url": "https://a.example"' },
      400,
      ['The body is not JSON: it ends too early'],
    ],
    [
      'JSON with a mistake',
      { target: endpoints, body: '{\n  "url": nope\n}' },
      400,
      ['The body is not JSON: a value is expected at line 2, column 10'],
    ],
    [
      'no Content-Type',
      { target: endpoints, body: '{}', headers: { 'content-type': '' } },
      415,
      ['application/json'],
    ],
    [
      'a form',
      {
        target: '/v1/events',
        body: 'a=b',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      415,
      ['The Content-Type must be application/json; it is another one'],
    ],
    [
      'text that is no UTF-8',
      { target: endpoints, body: '{}', headers: { 'content-type': 'application/json; charset=latin1' } },
      415,
      ['charset=utf-8'],
    ],
    [
      'an event type with a space',
      { target: '/v1/events', body: event({ type: 'invoice paid' }) },
      400,
      ['type: "type" must be one or more names of letters', 'such as "invoice.paid"'],
    ],
    [
      'an id of another kind in the path',
      { method: 'GET', target: '/v1/deliveries/evt_01h455vb4pex5vsknk084sn02q' },
      404,
      ['"deliveryId" must be the id of a delivery: dlv_ and 26 digits'],
    ],
    [
      'a parameter given twice',
      { method: 'GET', target: '/v1/deliveries?limit=10&limit=20' },
      400,
      ['limit: "limit" is given more than once; give it once'],
    ],
    [
      'a key without its scheme',
      { method: 'GET', target: '/v1/events', headers: { authorization: 'phk_abcdefghijklmnopqrstuvwxyz' } },
      401,
      ['The header Authorization does not begin with "Bearer "', 'Authorization: Bearer phk_'],
    ],
    [
      'what is no key',
      { method: 'GET', target: '/v1/events', headers: { authorization: 'Bearer sk_live_abc' } },
      401,
      ['The text after "Bearer " is not an API key: keys begin with phk_'],
    ],
    [
      'an empty list',
      { target: '/v1/events/batch', body: '{"events":[]}' },
      400,
      ['"events" must have at least 1 item'],
    ],
    [
      'a customer id with a colon',
      { method: 'PUT', target: '/v1/customers/a:b', body: '{}' },
      400,
      ['"customerId" must be 1 to 64 letters', 'such as "acme"'],
    ],
    [
      'a secret of one’s own that is none',
      { target: '/v1/endpoints/ep_01h455vb4pex5vsknk084sn02q/secret/rotate', body: '{"secret":"abc"}' },
      400,
      ['"secret" must be whsec_ and the base64 of 24 to 64 bytes', 'such as whsec_'],
    ],
    [
      'a member that is not known',
      { target: endpoints, body: '{"url":"https://a.example","colour":1}' },
      400,
      ['colour: "colour" is not allowed; allowed are url, eventTypes,'],
    ],
    [
      'an event in a batch that is none',
      { target: '/v1/events/batch', body: '{"events":7}' },
      400,
      ['"events" must be an array'],
    ],
    [
      'a + in a query that was not escaped',
      { method: 'GET', target: '/v1/events?since=2026-01-01T00:00:00+02:00' },
      400,
      ['since: "since" must be an ISO 8601 time', 'in a URL a + is a space, so write it as %2B'],
    ],
    [
      'a query parameter that is not known',
      { method: 'GET', target: '/v1/events?colour=1' },
      400,
      ['colour: "colour" is not allowed; allowed are limit, cursor, customerId, type, since, until'],
    ],
    [
      'a query where none is taken',
      { target: '/v1/events?x=1', body: event({}) },
      400,
      ['x: "x" is not allowed; this operation takes no query parameters'],
    ],
    [
      'an id of something else',
      { method: 'GET', target: '/v1/deliveries?endpointId=evt_01h455vb4pex5vsknk084sn02q' },
      400,
      ['must be the id of an endpoint: ep_', 'such as ep_01h455vb4pex5vsknk084sn02q'],
    ],
    [
      'a cursor of another list',
      { method: 'GET', target: '/v1/events?cursor=abc' },
      400,
      ['"cursor" must be the nextCursor of a page of this list; leave it out to get the first page'],
    ],
    [
      'the base URL',
      { method: 'GET', target: '/' },
      404,
      ['and its paths begin with /v1; /docs describes it'],
    ],
    ['an unknown path', { method: 'GET', target: '/v1/nothing' }, 404, ['The API has no such path; /docs']],
    [
      'an unknown path, without a key',
      { method: 'GET', target: '/api', token: null },
      404,
      ['/openapi.json'],
    ],
    [
      'another method',
      { method: 'DELETE', target: '/v1/events' },
      405,
      ['DELETE is not allowed here; allowed: GET, HEAD, POST'],
    ],
    [
      'a path that does not decode',
      { method: 'GET', target: '/v1/customers/%zz' },
      400,
      ['two hexadecimal digits, such as %20'],
    ],
    [
      'no key',
      { method: 'GET', target: '/v1/events', token: null },
      401,
      ['Authorization: Bearer phk_', 'POST /v1/api-keys'],
    ],
    [
      'an unknown customer',
      { target: '/v1/events', body: event({ customerId: 'nobody' }) },
      404,
      ['PUT /v1/customers/{customerId}'],
    ],
    [
      'a URL without a scheme',
      { target: endpoints, body: '{"url":"hooks.example.com"}' },
      400,
      ['url: "url" has no scheme; it must be an absolute URL that begins with https:// or http://, such as'],
    ],
    [
      'a private target, to somebody with a key',
      { target: endpoints, body: '{"url":"http://10.0.0.1/"}' },
      422,
      ['The target is not a public address.', 'POSTHORN_ALLOW_TARGETS, such as 10.0.0.0/8'],
    ],
    [
      'a reserved header',
      { target: endpoints, body: '{"url":"https://a.example","headers":{"Webhook-Id":"x"}}' },
      400,
      ['"Webhook-Id" is reserved for signatures', 'use another name, such as X-Tenant'],
    ],
    [
      'an Idempotency-Key that is too long',
      {
        target: endpoints,
        body: '{"url":"https://a.example"}',
        headers: { 'idempotency-key': 'x'.repeat(256) },
      },
      400,
      ['"Idempotency-Key" must be 1 to 255 printable ASCII characters, such as "order-17"'],
    ],
  ])('for %s', async (_what, sent, status, sentences) => {
    const answer = await answerTo(sent);
    expect(answer.startsWith(`${status} `)).toBe(true);
    for (const sentence of sentences) expect(answer).toContain(sentence);
    expect(answer).not.toMatch(/\bpattern\b|must be a valid|undefined/);
  });

  it('names the scope that is missing, and those that are there', async () => {
    const body = event({});
    expect(await answerTo({ target: '/v1/events', body, token: tokens.read })).toContain(
      '403 This needs an API key with the scope events:write; this one has read.',
    );
  });

  it('sends people in the portal to the operator, who alone has the setting', async () => {
    const answer = await answerTo({
      target: endpoints,
      body: '{"url":"http://10.0.0.1/"}',
      token: tokens.portal,
    });
    expect(answer).toContain('422 ');
    expect(answer).toContain('contact the operator of this service');
    expect(answer).not.toContain('POSTHORN_');
  });
});

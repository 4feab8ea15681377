import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  forbiddenAddresses,
  loopbackSpellings,
} from '../../packages/sender/src/test-support/forbidden-addresses.js';
import { openPermissionWorld, type PermissionWorld } from './support/permission-world.js';

let world: PermissionWorld;
let token: string;
let endpointId: string;

beforeAll(async () => {
  world = await openPermissionWorld();
  await world.admin('put', '/v1/customers/acme', {});
  token = await world.key(['admin']);
  endpointId = await world.endpoint('acme');
});
afterAll(() => world.close());

/** Whatever takes an address of a customer's. */
const takers: Record<string, (url: string) => [method: string, path: string, body: object]> = {
  createEndpoint: (url) => ['post', '/v1/customers/acme/endpoints', { url }],
  patchEndpoint: (url) => ['patch', `/v1/endpoints/${endpointId}`, { url }],
  putCustomer: (url) => ['put', '/v1/customers/acme', { notificationUrl: url }],
  deliverWebhook: (url) => ['post', '/v1/webhooks/deliver', { customerId: 'acme', url, payload: {} }],
};

async function statusesOf(hosts: readonly string[], taker: string): Promise<Record<string, number>> {
  const statuses: Record<string, number> = {};
  for (const host of hosts) {
    const [method, path, body] = takers[taker]!(`http://${host}/hook`);
    statuses[host] = (await world.send(method, path, { token, body })).status;
  }
  return statuses;
}

const literals = [
  ...loopbackSpellings,
  ...forbiddenAddresses.map(([address]) => (address.includes(':') ? `[${address}]` : address)),
];
const odd = [
  '[fe80::1%25eth0]',
  '[fe80::1%eth0]',
  '[::1%25lo]',
  '[::1%lo]',
  'user@example.com',
  'user:password@example.com',
  ':@example.com',
  '@example.com',
  'example.com@127.0.0.1',
  'example.com:25',
  'example.com:0',
  'example.com:65536',
  '127.0.0\t.1',
  'a..b',
];

describe('whatever takes an address', () => {
  it.each(Object.keys(takers))('refuses every forbidden target as %s', async (taker) => {
    expect(literals.length + odd.length).toBeGreaterThan(100);
    const statuses = await statusesOf([...literals, ...odd], taker);
    // 400 where it is no URL by its form, 422 where it is one that nothing is sent to.
    const taken = Object.entries(statuses).filter(([, status]) => status !== 422 && status !== 400);
    expect(taken).toEqual([]);
    const refusedAsTarget = literals.filter((host) => statuses[host] === 422);
    expect(refusedAsTarget.length).toBeGreaterThan(80);
  });

  it.each(Object.keys(takers))('takes a public one as %s', async (taker) => {
    expect(Object.values(await statusesOf(['example.com', '8.8.8.8', '[2606:4700::1111]'], taker))).toEqual(
      taker === 'createEndpoint'
        ? [201, 201, 201]
        : taker === 'deliverWebhook'
          ? [202, 202, 202]
          : [200, 200, 200],
    );
  });
});

describe('a URL as people write it', () => {
  const urls = [
    'HTTPS://EXAMPLE.com/Hook',
    'https://müller.example/Straße',
    'https://例え.jp',
    'https://[2606:4700::1111]/',
  ];
  it.each(Object.keys(takers))('is taken and shown as it was written by %s', async (taker) => {
    for (const url of urls) {
      const [method, path, body] = takers[taker]!(url);
      const answer = await world.send(method, path, { token, body });
      const { id } = answer.body;
      const shown =
        taker === 'deliverWebhook'
          ? (await world.send('get', `/v1/webhooks/${id}/status`, { token })).body
          : answer.body;
      expect(JSON.stringify(shown)).toContain(JSON.stringify(url));
    }
  });

  it('is judged by what it means: hosts that hide a private address are refused as targets', async () => {
    const hidden = [
      '127。0。0。1',
      '１２７.0.0.1',
      '0x7F.1',
      '0177.0.0.1',
      'ｌｏｃａｌｈｏｓｔ',
      'LOCALHOST.',
      '%6c%6f%63alhost',
    ];
    for (const taker of Object.keys(takers)) {
      const statuses = await statusesOf(hidden, taker);
      expect(statuses).toEqual(Object.fromEntries(hidden.map((host) => [host, 422])));
    }
  });
});

describe('whatever takes headers', () => {
  const names = [
    'Host',
    'Connection',
    'Keep-Alive',
    'Proxy-Authorization',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'Content-Length',
    'Content-Type',
    'Content-Encoding',
    'HTTP2-Settings',
    'webhook-id',
    'Webhook-Timestamp',
    'WEBHOOK-SIGNATURE',
    'webhook_signature',
    'X-Webhook-Signature',
    'X-Webhook-ID',
    'X-Webhook-Timestamp',
    'svix-signature',
    'a b',
    'a\r\nHost',
    '',
  ];
  const values = ['a\r\nX-Injected: 1', 'a\nb', 'a\rb', 'a\0', 'é', ' a', 'a '];

  it.each(['createEndpoint', 'patchEndpoint', 'deliverWebhook'])(
    'refuses those that are not its sender’s to set as %s',
    async (taker) => {
      const refused: Record<string, number> = {};
      const headers = [
        ...names.map((name) => ({ [name]: 'x' })),
        ...values.map((value) => ({ 'X-A': value })),
        { 'X-A': '1', 'x-a': '1' },
      ];
      for (const given of headers) {
        const [method, path, body] = takers[taker]!('https://example.com/');
        const answer = await world.send(method, path, { token, body: { ...body, headers: given } });
        refused[JSON.stringify(given)] = answer.status;
      }
      expect(Object.entries(refused).filter(([, status]) => status !== 400)).toEqual([]);
    },
  );

  it('takes names in any case for one header, and shows them as they were given last', async () => {
    const patched = async (headers: object) => {
      const { body } = await world.send('patch', `/v1/endpoints/${endpointId}`, { token, body: { headers } });
      return Object.keys((body as unknown as { headers: object }).headers);
    };
    expect(await patched({ 'X-Tenant': 'a', Authorization: 'Bearer a' })).toEqual([
      'X-Tenant',
      'Authorization',
    ]);
    expect(await patched({ authorization: 'Bearer b' })).toEqual(['X-Tenant', 'authorization']);
    expect(await patched({ AUTHORIZATION: null })).toEqual(['X-Tenant']);
    expect(await patched({ 'x-tenant': null })).toEqual([]);
  });
});

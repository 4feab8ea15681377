import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender } from './sender.js';
import { forbiddenAddresses, loopbackSpellings } from './test-support/forbidden-addresses.js';
import { type NameServer, startNameServer } from './test-support/name-server.js';
import { post, startHttp, type TestServer } from './test-support/servers.js';

let canary: TestServer;
let nameServer: NameServer;
let sender: Sender;
let answers: Record<string, string[][]>;
let socketsOpened = 0;
const countSocket = () => {
  socketsOpened++;
};

beforeAll(async () => {
  // On every address of this machine, so that whatever reaches it is counted.
  canary = await startHttp((_request, response) => response.end(), '::');
  nameServer = await startNameServer((name, type) => {
    const turns = answers[name] ?? [];
    const addresses = turns[0] ?? [];
    if (turns.length > 1 && type === 'AAAA') turns.shift();
    return { addresses };
  });
});
afterAll(async () => {
  await nameServer.close();
  await canary.close();
});
beforeEach(() => {
  answers = {};
  sender = createSender({ allowTargets: [], dnsServers: [nameServer.address] });
  socketsOpened = 0;
  subscribe('net.client.socket', countSocket);
});
afterEach(async () => {
  unsubscribe('net.client.socket', countSocket);
  await sender.close();
});

const expectRefused = async (host: string) => {
  const outcome = await post(sender, `http://${host}:${canary.port}/hook`, { timeoutMs: 3_000 });
  expect(outcome).toMatchObject({
    status: 'refused',
    error: { code: 'target_refused' },
    responseCode: null,
    address: null,
  });
  expect(socketsOpened).toBe(0);
  expect(canary.accepted).toHaveLength(0);
};

describe('a target that is not public', () => {
  it.each(loopbackSpellings)('is refused without a socket when the URL says %s', (host) =>
    expectRefused(host),
  );

  it.each(['[fe80::1%25lo]', '[fe80::1%lo]', '[::1%25lo]', '[::1%lo]'])(
    'is refused without a socket when the URL has a zone, as %s',
    expectRefused,
  );

  it.each(forbiddenAddresses)('is refused without a socket when the URL says %s (%s)', (address) =>
    expectRefused(address.includes(':') ? `[${address}]` : address),
  );

  it.each(forbiddenAddresses)(
    'is refused without a socket when its name resolves to %s (%s)',
    async (address) => {
      answers['target.example'] = [[address]];
      await expectRefused('target.example');
      expect(nameServer.questions.map((question) => question.name)).toContain('target.example');
    },
  );

  it('is refused when its name has a public and a private address', async () => {
    answers['mixed.example'] = [['8.8.8.8', '10.0.0.1']];
    await expectRefused('mixed.example');
    answers['families.example'] = [['8.8.8.8', '::1']];
    await expectRefused('families.example');
  });

  it('does not tell the customer the address that an internal name has', async () => {
    answers['internal.example'] = [['10.20.30.40']];
    const outcome = await post(sender, `http://internal.example:${canary.port}/`);
    expect(JSON.stringify(outcome)).not.toContain('10.20.30.40');
  });
});

describe('a redirect', () => {
  it.each([
    ['another address of this machine', () => `http://127.0.0.1:${canary.port}/`],
    ['the metadata of a cloud', () => 'http://169.254.169.254/latest/meta-data/'],
    ['a name', () => `http://localhost:${canary.port}/`],
  ])('to %s opens no socket but the one it came by', async (_what, location) => {
    const receiver = await startHttp(
      (_request, response) => response.writeHead(307, { location: location() }).end(),
      '127.0.0.2',
    );
    const guarded = createSender({ allowTargets: ['127.0.0.2/32'], dnsServers: [nameServer.address] });
    const outcome = await post(guarded, `http://127.0.0.2:${receiver.port}/`);
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'redirect_not_followed' } });
    expect(socketsOpened).toBe(1);
    expect(canary.accepted).toHaveLength(0);
    await guarded.close();
    await receiver.close();
  });
});

describe('a name', () => {
  it('is resolved once: the address that was checked is the one connected to', async () => {
    const receiver = await startHttp((_request, response) => response.end(), '127.0.0.2', 0);
    const privateOne = await startHttp((_request, response) => response.end(), '127.0.0.1', receiver.port);
    const guarded = createSender({ allowTargets: ['127.0.0.2/32'], dnsServers: [nameServer.address] });
    answers['rebinding.example'] = [['127.0.0.2'], ['127.0.0.1']];
    nameServer.questions.length = 0;

    const url = `http://rebinding.example:${receiver.port}/`;
    const first = await post(guarded, url, { poolKey: 'first' });
    expect(first).toMatchObject({ status: 'delivered', address: '127.0.0.2' });
    expect(nameServer.questions).toHaveLength(2); // A and AAAA

    const second = await post(guarded, url, { poolKey: 'second' });
    expect(second).toMatchObject({ status: 'refused', address: null });
    expect(nameServer.questions).toHaveLength(4);
    expect(receiver.accepted).toHaveLength(1);
    expect(privateOne.accepted).toHaveLength(0);
    await guarded.close();
    await receiver.close();
    await privateOne.close();
  });

  it('with several allowed addresses is delivered to one that answers', async () => {
    const receiver = await startHttp((_request, response) => response.end(), '127.0.0.3');
    const guarded = createSender({
      allowTargets: ['127.0.0.0/8', '::1/128'],
      dnsServers: [nameServer.address],
    });
    answers['several.example'] = [['127.0.0.1', '127.0.0.3', '::1']];
    const outcome = await post(guarded, `http://several.example:${receiver.port}/`);
    expect(outcome).toMatchObject({ status: 'delivered', address: '127.0.0.3' });
    await guarded.close();
    await receiver.close();
  });

  it('of localhost is reached without a name server when loopback is listed', async () => {
    const receiver = await startHttp((_request, response) => response.end(), '127.0.0.1');
    const guarded = createSender({ allowTargets: ['127.0.0.0/8'], dnsServers: [nameServer.address] });
    nameServer.questions.length = 0;
    for (const host of ['localhost', 'api.localhost', '127.1']) {
      const outcome = await post(guarded, `http://${host}:${receiver.port}/`);
      expect(outcome).toMatchObject({ status: 'delivered', address: '127.0.0.1' });
    }
    expect(nameServer.questions).toHaveLength(0);
    await guarded.close();
    await receiver.close();
  });

  it('of localhost is reached by the listed loopback address only', async () => {
    const receiver = await startHttp((_request, response) => response.end(), '127.0.0.1');
    const guarded = createSender({ allowTargets: ['::1/128'] });
    const outcome = await post(guarded, `http://localhost:${receiver.port}/`);
    expect(outcome).toMatchObject({
      status: 'failed',
      error: { code: 'connection_refused' },
      address: '::1',
    });
    expect(receiver.accepted).toHaveLength(0);
    await guarded.close();
    await receiver.close();
  });
});

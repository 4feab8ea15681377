import { type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender, type SenderOptions } from './sender.js';
import { createCertificate } from './test-support/certificate.js';
import { type NameServer, startNameServer } from './test-support/name-server.js';
import { listen, post, startHttp, type TestServer, until } from './test-support/servers.js';

let nowMs: number;
let addresses: string[];
let nameServer: NameServer;
let sender: Sender;
const receivers: TestServer[] = [];

beforeEach(async () => {
  nowMs = 1_000;
  addresses = ['127.0.0.1'];
  nameServer = await startNameServer(() => ({ addresses, ttl: 0 }));
});
afterEach(async () => {
  await sender.close();
  for (const receiver of receivers.splice(0)) await receiver.close();
  await nameServer.close();
});

const startSender = (options: Partial<SenderOptions> = {}) => {
  sender = createSender({
    allowTargets: ['127.0.0.0/8'],
    dnsServers: [nameServer.address],
    keepAliveMs: 600_000,
    nowMs: () => nowMs,
    random: () => 0,
    ...options,
  });
};
/** The same port at two addresses, as a name that moves has it. */
async function startTwo(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> {
  const first = await startHttp((request, response) => answer(response, request), '127.0.0.1');
  const second = await startHttp((request, response) => answer(response, request), '127.0.0.2', first.port);
  receivers.push(first, second);
  return `http://moving.example:${first.port}/hook`;
}
const ok = (response: ServerResponse) => response.end('ok');

describe('a connection that is kept alive', () => {
  it('is used until it is 60 s old; then the name is looked up again and its new address sent to', async () => {
    const url = await startTwo(ok);
    startSender();
    for (; nowMs < 60_000; nowMs += 2_000) {
      expect(await post(sender, url)).toMatchObject({ status: 'delivered', address: '127.0.0.1' });
      addresses = ['127.0.0.2'];
    }
    expect(receivers[0]!.accepted).toHaveLength(1);
    nowMs = 61_000;
    for (let i = 0; i < 5; i++) {
      expect(await post(sender, url)).toMatchObject({
        status: 'delivered',
        address: '127.0.0.2',
        resent: false,
      });
    }
    expect(receivers[1]!.accepted).toHaveLength(1);
    await until(() => receivers[0]!.open.size === 0);
  });

  it('has its new address checked: one that is not allowed is refused, and no socket opened to it', async () => {
    const url = await startTwo(ok);
    startSender({ allowTargets: ['127.0.0.1/32'] });
    await post(sender, url);
    addresses = ['127.0.0.2'];
    nowMs += 60_000;
    expect(await post(sender, url)).toMatchObject({ status: 'refused', error: { code: 'target_refused' } });
    expect(receivers[1]!.accepted).toHaveLength(0);
  });

  it('that grows too old while it is busy ends behind its exchange, also for who waits for it', async () => {
    const held: ServerResponse[] = [];
    const url = await startTwo((response, { headers }) => {
      if (headers['x-hold'] === undefined) response.end();
      else held.push(response);
    });
    startSender();
    const long = post(sender, url, { maxConnections: 1, headers: { 'x-hold': '1' } });
    await until(() => held.length === 1);
    const waiting = post(sender, url, { maxConnections: 1 });
    nowMs += 120_000;
    addresses = ['127.0.0.2'];
    held[0]!.end();
    expect(await long).toMatchObject({ status: 'delivered', address: '127.0.0.1' });
    expect(await waiting).toMatchObject({ status: 'delivered', address: '127.0.0.2' });
    await until(() => receivers[0]!.open.size === 0);
  });

  it('ends at an age of its own, from three quarters of the maximum on', async () => {
    let held: ServerResponse[] = [];
    const url = await startTwo((response) => void held.push(response));
    let draws = 0;
    startSender({ random: () => (draws++ % 10) / 10, connectionAgeMaxMs: 100_000 });
    const sendTen = async () => {
      const sending = Array.from({ length: 10 }, () => post(sender, url));
      await until(() => held.length === 10);
      const now = held;
      held = [];
      for (const response of now) response.end();
      await Promise.all(sending);
    };
    await sendTen();
    const opened: number[] = [];
    for (let ageMs = 0; ageMs <= 102_000; ageMs += 2_500) {
      nowMs = 1_000 + ageMs;
      const before = receivers[0]!.accepted.length;
      await sendTen();
      if (receivers[0]!.accepted.length > before) opened.push(ageMs, receivers[0]!.accepted.length - before);
    }
    expect(opened).toEqual(Array.from({ length: 10 }, (_, i) => [77_500 + i * 2_500, 1]).flat());
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['says Connection: close', (response) => response.setHeader('connection', 'close').end('ok')],
    ['is HTTP/1.0', ({ socket }) => socket!.end('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok')],
    [
      'is HTTP/1.0 and leaves the connection open',
      ({ socket }) => void socket!.write('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'),
    ],
    [
      'is not as long as it may be kept',
      ({ socket }) =>
        void socket!.write('HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok'),
    ],
    ['ends with the connection', ({ socket }) => socket!.end('HTTP/1.1 200 OK\r\n\r\nok')],
  ])('ends with an answer that %s: the next request goes where the name says then', async (_what, answer) => {
    const url = await startTwo(answer);
    startSender();
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.1']) {
      addresses = [address];
      expect(await post(sender, url)).toMatchObject({ status: 'delivered', address, resent: false });
    }
  });
});

describe('the certificate', () => {
  // The key of its session tickets stays when the certificate is replaced, as with several servers behind one name: a
  // resumed session shows no certificate at all.
  const ticketKeys = randomBytes(48);
  const startTls = async (first: ReturnType<typeof createCertificate>, more = {}) => {
    const server = createHttpsServer({ ...first, ticketKeys, ...more }, (_request, response) =>
      response.end(),
    );
    const receiver = await listen(server, '127.0.0.1', 0);
    receivers.push(receiver);
    return { server, receiver, url: `https://secure.example:${receiver.port}/` };
  };

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'that was replaced by one not trusted is noticed within half the age by new connections, sessions of %s resumed or not',
    async (version) => {
      const trusted = createCertificate(['secure.example']);
      const { server, receiver, url } = await startTls(trusted, { minVersion: version, maxVersion: version });
      startSender({ certificateAuthorities: [trusted.cert] });
      expect(await post(sender, url)).toMatchObject({ status: 'delivered' });
      const replacement = createCertificate(['secure.example']);
      server.setSecureContext({ ...replacement, minVersion: version, maxVersion: version, ticketKeys });
      let resumed = 0;
      server.on('secureConnection', (socket) => (resumed += Number(socket.isSessionReused())));
      // Each time over a new connection, which resumes the session of the one before and gets a ticket of its own.
      for (let poolKey = 0; nowMs < 120_000; nowMs += 10_000, poolKey++) {
        const { status, error } = await post(sender, url, { poolKey: `${poolKey}` });
        if (nowMs >= 31_000) expect([status, error?.code]).toEqual(['failed', 'tls_certificate_self_signed']);
      }
      expect(receiver.accepted).toHaveLength(13);
      expect(resumed).toBe(3);
    },
  );

  it('has been seen within the age on a connection that resumed a session as well', async () => {
    const trusted = createCertificate(['secure.example']);
    const { server, url } = await startTls(trusted);
    startSender({ certificateAuthorities: [trusted.cert] });
    expect(await post(sender, url, { poolKey: 'one' })).toMatchObject({ status: 'delivered' });
    server.setSecureContext({ ...createCertificate(['secure.example']), ticketKeys });
    nowMs += 29_000;
    expect(await post(sender, url, { poolKey: 'two' })).toMatchObject({ status: 'delivered' });
    nowMs += 30_000;
    expect(await post(sender, url, { poolKey: 'two' })).toMatchObject({ status: 'delivered' });
    nowMs += 1_000;
    expect(await post(sender, url, { poolKey: 'two' })).toMatchObject({
      status: 'failed',
      error: { code: 'tls_certificate_self_signed' },
    });
  });

  it('is checked again at most once in half the age: within that sessions are resumed', async () => {
    const trusted = createCertificate(['secure.example']);
    const resumed: boolean[] = [];
    const { server, url } = await startTls(trusted);
    server.on('secureConnection', (socket) => resumed.push(socket.isSessionReused()));
    startSender({ certificateAuthorities: [trusted.cert] });
    for (let poolKey = 0; nowMs < 140_000; nowMs += 20_000, poolKey++) {
      await post(sender, url, { poolKey: `${poolKey}` });
    }
    expect(resumed).toEqual([false, true, false, true, false, true, false]);
  });
});

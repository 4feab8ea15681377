import { createServer as createHttpServer } from 'node:http';
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createSender, type Sender, type SenderOptions } from './sender.js';
import { createCertificate } from './test-support/certificate.js';
import { startNameServer } from './test-support/name-server.js';
import { listen, post, type TestServer, until } from './test-support/servers.js';

const closed = /^connection_(reset|closed)$/;
const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** The socket below TLS, or the socket itself. */
type Ending = (socket: Socket, transport: Socket) => void;

interface Seen {
  connection: number;
  id: string | undefined;
  text: string;
}

let certificate: ReturnType<typeof createCertificate>;
let sender: Sender;
let receiver: TestServer;
let seen: Seen[] = [];
const closing: (() => Promise<void>)[] = [];

beforeAll(() => {
  certificate = createCertificate(['stale.example']);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A receiver that does with each request what the test says. */
async function start(
  secure: boolean,
  onRequest: (socket: Socket, request: Seen, transport: Socket) => void,
  options: Partial<SenderOptions> = {},
): Promise<string> {
  seen = [];
  const transports: Socket[] = [];
  let connections = 0;
  const serve = (socket: Socket, transport: Socket) => {
    const connection = connections++;
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      const text = data.toString();
      const request = { connection, id: /^webhook-id: (.*)\r$/m.exec(text)?.[1], text };
      seen.push(request);
      onRequest(socket, request, transport);
    });
  };
  const server = secure
    ? createTlsServer(certificate, (socket: TLSSocket) =>
        serve(
          socket,
          transports.find((each) => each.remotePort === socket.remotePort)!,
        ),
      ).on('connection', (socket: Socket) => transports.push(socket))
    : createTcpServer((socket) => serve(socket, socket));
  const started = (receiver = await listen(server, '127.0.0.1', 0));
  const names = await startNameServer(() => ({ addresses: ['127.0.0.1'] }));
  const sending = (sender = createSender({
    allowTargets: ['127.0.0.0/8'],
    dnsServers: [names.address],
    certificateAuthorities: [certificate.cert],
    keepAliveMs: 60_000,
    ...options,
  }));
  // A test may start several: each closes its own, or it would keep the process of the tests running.
  closing.push(
    () => names.close(),
    () => started.close(),
    () => sending.close(),
  );
  return `${secure ? 'https' : 'http'}://stale.example:${receiver.port}/hook`;
}

const send = (url: string, id: string, rest: Parameters<typeof post>[2] = {}) =>
  post(sender, url, { headers: { 'webhook-id': id, 'webhook-signature': `v1,of-${id}` }, ...rest });

const endings: [string, Ending][] = [
  ['resets it', (_socket, transport) => transport.resetAndDestroy()],
  ['ends it', (socket) => socket.end()],
  ['ends it without a word of TLS', (_socket, transport) => transport.end()],
  ['destroys it', (_socket, transport) => transport.destroy()],
];
const cases = [false, true].flatMap((secure) =>
  endings.map(([how, end]) => [secure ? 'https' : 'http', how, secure, end] as const),
);

describe('a connection that served before', () => {
  it.each(cases)(
    'over %s: an endpoint that %s instead of an answer gets the same request once more',
    async (_scheme, _how, secure, end) => {
      const url = await start(secure, (socket, { connection, id }, transport) => {
        if (connection === 0 && id === 'two') end(socket, transport);
        else socket.write(answer);
      });
      expect(await send(url, 'one')).toMatchObject({ status: 'delivered', resent: false });
      expect(await send(url, 'two')).toMatchObject({
        status: 'delivered',
        responseCode: 200,
        error: null,
        address: '127.0.0.1',
        resent: true,
      });
      expect(seen.map(({ connection, id }) => [connection, id])).toEqual([
        [0, 'one'],
        [0, 'two'],
        [1, 'two'],
      ]);
      expect(seen[2]!.text).toBe(seen[1]!.text);
      await until(() => receiver.open.size === 1);
      expect(sender.stats()).toEqual({ inFlight: 0, connections: 1, idleConnections: 1 });
    },
  );

  it.each(cases)(
    'over %s: an endpoint that %s behind its answer gets the next request once',
    async (_scheme, _how, secure, end) => {
      const url = await start(secure, (socket, _request, transport) => {
        socket.write(answer, () => end(socket, transport));
      });
      // Back to back, so that the end of the one before comes at every possible moment.
      for (let i = 0; i < 30; i++) {
        const outcome = await send(url, String(i));
        // What is reset may take its own answer along (RFC 9112 section 9.6); that one was the first on its connection.
        if (outcome.status !== 'delivered') expect(outcome.error?.code).toMatch(closed);
      }
      expect(new Set(seen.map(({ id }) => id)).size).toBe(30);
      for (const each of seen) expect(seen.filter(({ id }) => id === each.id).length).toBeLessThanOrEqual(2);
    },
  );

  it('is given up together with those that were idle for longer', async () => {
    const held: Socket[] = [];
    let dead = false;
    const url = await start(false, (socket, { connection }, transport) => {
      if (dead && connection < 4) transport.resetAndDestroy();
      else if (seen.length <= 4) held.push(socket);
      else socket.write(answer);
    });
    const sending = ['a', 'b', 'c', 'd'].map((id) => send(url, id));
    await until(() => held.length === 4);
    for (const socket of held) socket.write(answer);
    await Promise.all(sending);
    dead = true;
    for (const id of ['e', 'f', 'g']) {
      expect(await send(url, id)).toMatchObject({ status: 'delivered', resent: id === 'e' });
    }
    expect(receiver.accepted).toHaveLength(5);
    expect(sender.stats()).toEqual({ inFlight: 0, connections: 1, idleConnections: 1 });
  });

  it('is replaced in its place: who waits for a connection goes on waiting, and is not overtaken', async () => {
    const order: string[] = [];
    const url = await start(false, (socket, { connection, id }, transport) => {
      if (id === 'b' && connection === 0) {
        void send(url, 'c', { maxConnections: 1 }).then(() => order.push('c'));
        transport.resetAndDestroy();
      } else socket.write(answer);
    });
    await send(url, 'a', { maxConnections: 1 });
    const b = send(url, 'b', { maxConnections: 1 }).then((outcome) => order.push('b') && outcome);
    expect(await b).toMatchObject({ status: 'delivered', resent: true });
    await until(() => order.length === 2);
    expect(order).toEqual(['b', 'c']);
    expect(seen.map(({ connection, id }) => [connection, id])).toEqual([
      [0, 'a'],
      [0, 'b'],
      [1, 'b'],
      [1, 'c'],
    ]);
  });

  it('closed after some idle time by an endpoint that is far away costs no attempt and is answered once', async () => {
    const counts = new Map<string, number>();
    const timers = new Map<Socket, NodeJS.Timeout>();
    const server = createHttpServer({ keepAliveTimeout: 0 }, ({ headers, socket }, response) => {
      const id = String(headers['webhook-id']);
      counts.set(id, (counts.get(id) ?? 0) + 1);
      clearTimeout(timers.get(socket));
      response.on('finish', () =>
        timers.set(
          socket,
          setTimeout(() => socket.destroySoon(), 30),
        ),
      );
      response.end();
    });
    const http = await listen(server, '127.0.0.1', 0);
    const network = await startDelay(http.port, 10);
    sender = createSender({ allowTargets: ['127.0.0.0/8'], keepAliveMs: 60_000 });
    closing.push(
      () => http.close(),
      () => network.close(),
      () => sender.close(),
    );
    // An end that is on its way cannot be seen: what is sent in the 10 ms before it arrives is lost.
    let resent = 0;
    for (let gapMs = 5; gapMs < 60 || resent < 10; gapMs = gapMs < 60 ? gapMs + 1 : 5) {
      const outcomes = await Promise.all(
        [0, 1, 2, 3].map((i) => send(network.url, `${counts.size}/${gapMs}/${i}`)),
      );
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ status: 'delivered', error: null });
        resent += Number(outcome.resent);
      }
      const untilMs = performance.now() + gapMs;
      await until(() => performance.now() >= untilMs);
    }
    for (const count of counts.values()) expect(count).toBe(1);
  });
});

/** A network in which everything takes a while, the end of a connection as well. */
function startDelay(port: number, delayMs: number): Promise<TestServer> {
  const relay = (from: Socket, to: Socket) => {
    from.on('data', (data) => setTimeout(() => to.write(data), delayMs));
    from.on('end', () => setTimeout(() => to.end(), delayMs));
    from.on('error', () => setTimeout(() => to.resetAndDestroy(), delayMs));
  };
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    const onward = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
    relay(socket, onward);
    relay(onward, socket);
  });
  return listen(server, '127.0.0.1', 0);
}

describe('a request is not sent again', () => {
  const once = async (outcome: ReturnType<typeof send>, expected: object) => {
    expect(await outcome).toMatchObject({ resent: false, ...expected });
    expect(seen.filter(({ id }) => id === 'two')).toHaveLength(1);
  };

  it.each(cases)('over %s: when an endpoint %s on a new connection', async (_scheme, _how, secure, end) => {
    const url = await start(secure, (socket, _request, transport) => end(socket, transport));
    await once(send(url, 'two'), { status: 'failed', error: { code: expect.stringMatching(closed) } });
  });

  it.each([
    ['one byte', 'H'],
    ['half a status line', 'HTTP/1.1 20'],
    ['an interim answer', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['an empty line', '\r\n'],
  ])('over either scheme: when %s of an answer has come', async (_what, bytes) => {
    for (const secure of [false, true]) {
      for (const [, end] of endings.slice(1, 3)) {
        const url = await start(secure, (socket, { id }, transport) => {
          if (id === 'one') socket.write(answer);
          else socket.write(bytes, () => end(socket, transport));
        });
        await send(url, 'one');
        await once(send(url, 'two'), { status: 'failed', responseCode: null });
      }
    }
  });

  it('when the new connection is closed as well', async () => {
    const url = await start(false, (socket, { id }, transport) => {
      if (id === 'one') socket.write(answer);
      else transport.resetAndDestroy();
    });
    await send(url, 'one');
    expect(await send(url, 'two')).toMatchObject({
      status: 'failed',
      error: { code: 'connection_reset' },
      resent: true,
    });
    expect(seen.map(({ connection }) => connection)).toEqual([0, 0, 1]);
  });

  it('when nothing listens any more: the outcome is that of the new connection', async () => {
    const url = await start(false, (socket, { id }, transport) => {
      if (id === 'one') return socket.write(answer);
      void receiver.close();
      return transport.resetAndDestroy();
    });
    await send(url, 'one');
    expect(await send(url, 'two')).toMatchObject({
      status: 'failed',
      error: { code: 'connection_refused' },
      resent: true,
    });
  });

  it('after the deadline, which holds for both sends together', async () => {
    const url = await start(false, (socket, { id, connection }, transport) => {
      if (id === 'one') socket.write(answer);
      else if (connection === 0) setTimeout(() => transport.resetAndDestroy(), 150);
    });
    await send(url, 'one');
    const outcome = await send(url, 'two', { timeoutMs: 400 });
    expect(outcome).toMatchObject({ status: 'timeout', resent: true });
    expect(outcome.latencyMs).toBeLessThan(540);
    expect(seen.map(({ connection }) => connection)).toEqual([0, 0, 1]);
    await until(() => receiver.open.size === 0);
  });

  it('when the connection that is kept alive stays silent', async () => {
    const url = await start(false, (socket, { id }) => {
      if (id === 'one') socket.write(answer);
    });
    await send(url, 'one');
    await once(send(url, 'two', { timeoutMs: 200 }), { status: 'timeout' });
  });

  it('after it was aborted', async () => {
    const controller = new AbortController();
    const url = await start(false, (socket, { id }, transport) => {
      if (id === 'one') return socket.write(answer);
      controller.abort();
      return transport.resetAndDestroy();
    });
    await send(url, 'one');
    await once(send(url, 'two', { signal: controller.signal }), { status: 'aborted' });
    await until(() => receiver.open.size === 0);
    expect(receiver.accepted).toHaveLength(1);
  });
});

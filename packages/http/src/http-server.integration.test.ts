import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '@posthorn/testing';
import http from 'node:http';
import net from 'node:net';

import { createHttpServer } from './http-server.js';

const get = (port: number, agent: http.Agent): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const sent = http.get({ host: '127.0.0.1', port, agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response));
    });
    sent.once('error', reject);
  });

describe('createHttpServer', () => {
  it('finishes requests in flight, takes no new connections, and ends with the last answer', async () => {
    const waiting: http.ServerResponse[] = [];
    const server = await createHttpServer({
      handler: (_request, response) => {
        if (waiting.push(response) > 1) response.end('at once');
      },
      host: '127.0.0.1',
      port: 0,
    });
    const agent = new http.Agent({ keepAlive: true });
    const slow = get(server.port, agent);
    await waitUntil(() => waiting.length === 1);
    await get(server.port, agent); // leaves an idle keep-alive connection behind

    let closed = false;
    const closing = server.close({ deadlineMs: 60_000 }).then(() => {
      closed = true;
    });
    await expect(get(server.port, new http.Agent())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(closed).toBe(false);
    waiting[0]?.end('done');
    expect((await slow).statusCode).toBe(200);
    await closing;
    agent.destroy();
  });

  it('does not wait for connections on which nothing came', async () => {
    const server = await createHttpServer({
      handler: (_request, response) => response.end('done'),
      host: '127.0.0.1',
      port: 0,
    });
    const silent = net.connect(server.port, '127.0.0.1');
    silent.on('error', () => undefined).resume();
    await new Promise((resolve) => silent.once('connect', resolve));
    // Behind this one, the server knows the one before.
    await get(server.port, new http.Agent());
    await server.close({ deadlineMs: 3_600_000 });
    await waitUntil(() => silent.closed);
  });

  it('cuts what is left at the deadline', async () => {
    const server = await createHttpServer({ handler: () => undefined, host: '127.0.0.1', port: 0 });
    const hanging = get(server.port, new http.Agent());
    const refused = expect(hanging).rejects.toMatchObject({ code: 'ECONNRESET' });
    const idle = net.connect(server.port, '127.0.0.1');
    idle.on('error', () => undefined);
    await new Promise((resolve) => idle.once('connect', resolve));
    await server.close({ deadlineMs: 50 });
    await refused;
  });

  it('rejects when the port is taken', async () => {
    const first = await createHttpServer({ handler: () => undefined, host: '127.0.0.1', port: 0 });
    await expect(
      createHttpServer({ handler: () => undefined, host: '127.0.0.1', port: first.port }),
    ).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await first.close();
  });

  const long = 'x'.repeat(16_384);
  const post = 'POST / HTTP/1.1\r\nHost: x\r\n';
  it.each([
    [431, 'headers of more than 16 KiB', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${long}\r\n\r\n`],
    [400, 'something that is no HTTP', 'hello\r\n\r\n', /does not begin with an HTTP method/],
    [
      400,
      'a method that nobody knows',
      'FOO / HTTP/1.1\r\nHost: x\r\n\r\n',
      /does not begin with an HTTP method/,
    ],
    [400, 'a version to come', 'GET / HTTP/4.0\r\nHost: x\r\n\r\n', /not HTTP\/1.1/],
    [400, 'a header that is broken', 'GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n', /A header has/],
    [400, 'a broken chunk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, /a chunk has no valid length/],
    [400, 'two lengths', `${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, /is there twice/],
    [400, 'a missing Host', 'GET / HTTP/1.1\r\n\r\n', /Host header is missing/],
    [417, 'an expectation nobody can meet', `${post}Expect: a miracle\r\nContent-Length: 0\r\n\r\n`],
    [408, 'a body that does not arrive', `${post}Content-Length: 5\r\n\r\nab`],
    [408, 'headers that do not arrive', 'GET / HTTP/1.1\r\nHost'],
  ])('answers %i with a problem document to %s, and closes', async (status, _what, bytes, detail = /./) => {
    const server = await createHttpServer({
      handler: (request) => request.resume(),
      host: '127.0.0.1',
      port: 0,
      requestTimeoutMs: status === 408 ? 100 : 30_000,
    });
    const answer = await exchange(server.port, bytes);
    await server.close();
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const id = /^X-Request-Id: (.+)$/im.exec(head)?.[1];
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toMatch(/^Content-Type: application\/problem\+json; charset=utf-8$/im);
    expect(head).toMatch(/^Connection: close$/im);
    expect(JSON.parse(body)).toMatchObject({ status, code: 'invalid_request', requestId: id });
    expect((JSON.parse(body) as { detail: string }).detail).toMatch(detail);
  });

  it('ends a request whose body drips in, not one that is slow or that nobody reads yet', async () => {
    const unread: http.IncomingMessage[] = [];
    const server = await createHttpServer({
      handler: (request, response) => {
        request.on('end', () => response.end('whole'));
        if (request.url === '/unread') unread.push(request);
        else request.resume();
      },
      host: '127.0.0.1',
      port: 0,
      slowBodies: { everyMs: 300, bytesPerSecondMin: 1_024 },
    });
    const head = (path: string, length: number) =>
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
    const dripping = drip(server.port, head('/', 100_000), 'x', 20);
    const slow = drip(server.port, head('/', 100_000), 'x'.repeat(1_000), 20);
    const waiting = drip(server.port, `${head('/unread', 500)}${'x'.repeat(400)}`, '', 20);
    expect(await dripping.answer).toMatch(/^HTTP\/1.1 408 .*Connection: close/s);
    expect(await slow.answer).toMatch(/^HTTP\/1.1 200 /);
    // It has been let wait for as long as the other one took; now it is read.
    waiting.socket.write('x'.repeat(100));
    for (const request of unread) request.resume();
    expect(await waiting.answer).toMatch(/^HTTP\/1.1 200 /);
    await server.close();
  });

  it('serves HTTP/1.0 without a Host, and sends 100 to those who expect it', async () => {
    const server = await createHttpServer({
      handler: (_request, response) => response.writeHead(200, { Connection: 'close' }).end('ok'),
      host: '127.0.0.1',
      port: 0,
    });
    expect(await exchange(server.port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
    expect(await exchange(server.port, `${post}Expect: 100-continue\r\nContent-Length: 0\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /,
    );
    await server.close();
  });

  it('answers nothing in place of a complete request that is still being handled', async () => {
    let handled = 0;
    const server = await createHttpServer({
      handler: () => {
        handled++;
      },
      host: '127.0.0.1',
      port: 0,
    });
    expect(await exchange(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\nhello\r\n\r\n')).toBe('');
    expect(handled).toBe(1);
    await server.close();
  });
});

/** What comes back until the server closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(received));
  });
}

/** Sends the head, and then a piece again and again until an answer has come. */
function drip(port: number, head: string, piece: string, everyMs: number) {
  let received = '';
  const socket = net.connect(port, '127.0.0.1', () => socket.write(head));
  const timer = setInterval(() => socket.write(piece), everyMs);
  const answer = new Promise<string>((resolve) => {
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      resolve(received);
    });
  });
  return { socket, answer };
}

import { getEventListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender } from './sender.js';
import { post, startHttp, startRaw, type TestServer, until } from './test-support/servers.js';

let sender: Sender;
let receiver: TestServer | null = null;

beforeEach(() => {
  sender = createSender({ allowTargets: ['127.0.0.0/8', '::1/128'] });
});
afterEach(async () => {
  await sender.close();
  await receiver?.close();
  receiver = null;
});

const answerRaw = async (...parts: string[]) => {
  receiver = await startRaw((socket) => {
    for (const part of parts) socket.write(part);
  });
  return post(sender, receiver.url, { timeoutMs: 5_000 });
};

describe('a request', () => {
  it('is one POST with the given body and headers, unchanged', async () => {
    const requests: { request: IncomingMessage; body: Buffer }[] = [];
    receiver = await startHttp((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        requests.push({ request, body: Buffer.concat(chunks) });
        response.end();
      });
    });
    const body = '{"n":12345678901234567890,"text":"é"}';
    await post(sender, `${receiver.url}?a=1&b=%20#fragment`, {
      body,
      headers: { 'webhook-id': 'msg_1', 'X-Key': 'k' },
    });
    await post(sender, receiver.url, { body: Buffer.from(body), headers: { 'content-type': 'text/plain' } });

    expect(requests).toHaveLength(2);
    const { request } = requests[0]!;
    expect(request.method).toBe('POST');
    expect(request.url).toBe('/hook?a=1&b=%20');
    expect(request.httpVersion).toBe('1.1');
    expect(requests.map((each) => each.body.toString())).toEqual([body, body]);
    expect(request.headers).toMatchObject({
      host: `127.0.0.1:${receiver.port}`,
      'webhook-id': 'msg_1',
      'x-key': 'k',
      'user-agent': 'Posthorn/0.1',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    });
    expect(requests[1]!.request.headers['content-type']).toBe('text/plain');
  });

  it.each<Record<string, string>>([
    { 'x-evil': 'a\r\nx-injected: 1' },
    { 'x-evil\r\nx-injected': '1' },
    { host: 'internal' },
    { 'x-evil': 'a\u010ab' },
  ])('with the headers %j is refused and nothing is sent', async (headers) => {
    receiver = await startHttp((_request, response) => response.end());
    const outcome = await post(sender, receiver.url, { headers });
    expect(outcome).toMatchObject({ status: 'refused', error: { code: 'header_refused' } });
    expect(receiver.accepted).toHaveLength(0);
  });

  it('with credentials in its URL is refused and nothing is sent', async () => {
    receiver = await startHttp((_request, response) => response.end());
    const outcome = await post(sender, `http://user:secret@127.0.0.1:${receiver.port}/`);
    expect(outcome).toMatchObject({ status: 'refused', error: { code: 'target_refused' } });
    expect(JSON.stringify(outcome)).not.toContain('secret');
    expect(receiver.accepted).toHaveLength(0);
  });
});

describe('a response', () => {
  it.each([200, 201, 202, 204, 206, 299])('with status %i is delivered', async (statusCode) => {
    receiver = await startHttp((_request, response) => response.writeHead(statusCode).end());
    expect(await post(sender, receiver.url)).toMatchObject({
      status: 'delivered',
      responseCode: statusCode,
      error: null,
    });
  });

  it.each([400, 404, 410, 429, 500, 503, 599])('with status %i has failed', async (statusCode) => {
    receiver = await startHttp((_request, response) =>
      response.writeHead(statusCode, { 'Retry-After': '7' }).end('why'),
    );
    const outcome = await post(sender, receiver.url);
    expect(outcome).toMatchObject({
      status: 'failed',
      responseCode: statusCode,
      responseTruncated: false,
      error: { code: 'http_error' },
      address: '127.0.0.1',
    });
    expect(outcome.responseHeaders?.['retry-after']).toBe('7');
    expect(outcome.responseBody?.toString()).toBe('why');
  });

  it.each([300, 301, 302, 303, 304, 307, 308])(
    'with status %i has failed: no redirect is followed',
    async (statusCode) => {
      const followed: string[] = [];
      receiver = await startHttp((request, response) => {
        followed.push(request.url ?? '');
        response.writeHead(statusCode, { location: `${receiver!.url}-elsewhere?token=secret` }).end();
      });
      const outcome = await post(sender, receiver.url);
      expect(outcome).toMatchObject({
        status: 'failed',
        responseCode: statusCode,
        error: { code: 'redirect_not_followed' },
      });
      expect(outcome.error?.message).not.toContain('secret');
      expect(followed).toEqual(['/hook']);
    },
  );

  it('has its headers in lower case and joined, at most 100 of them', async () => {
    receiver = await startHttp((_request, response) => {
      response.setHeader('X-Mixed-Case', 'yes');
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      for (let i = 0; i < 300; i++) response.setHeader(`x-${i}`, String(i));
      response.end();
    });
    const { responseHeaders } = await post(sender, receiver.url);
    expect(responseHeaders).toMatchObject({ 'x-mixed-case': 'yes', 'set-cookie': 'a=1, b=2' });
    expect(Object.keys(responseHeaders ?? {})).toHaveLength(100);
  });

  it('of exactly 16 KiB is kept whole; of one byte more it is cut there, with the status of its code', async () => {
    let bytes = 16_384;
    receiver = await startHttp((_request, response) => response.end(Buffer.alloc(bytes, 'x')));
    const whole = await post(sender, receiver.url);
    expect(whole).toMatchObject({ status: 'delivered', responseTruncated: false });
    expect(whole.responseBody).toHaveLength(16_384);
    bytes++;
    const cut = await post(sender, receiver.url);
    expect(cut).toMatchObject({ status: 'delivered', responseTruncated: true, error: null });
    expect(cut.responseBody).toHaveLength(16_384);
  });

  it('without an end is read to the cap and its socket closed', async () => {
    receiver = await startHttp((_request, response) => {
      response.writeHead(500);
      const chunk = Buffer.alloc(65_536, 'x');
      const pump = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pump);
      pump();
    });
    const outcome = await post(sender, receiver.url);
    expect(outcome).toMatchObject({ status: 'failed', responseCode: 500, responseTruncated: true });
    expect(outcome.responseBody).toHaveLength(16_384);
    await until(() => receiver!.open.size === 0);
    expect(receiver.accepted[0]!.bytesWritten).toBeLessThan(32 * 1024 * 1024);
  });

  it('with a compressed body is kept as it came', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    receiver = await startHttp((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    const outcome = await post(sender, receiver.url);
    expect(outcome.status).toBe('delivered');
    expect(outcome.responseBody).toEqual(bomb.subarray(0, 16_384));
  });

  it('may be preceded by 102 and 103', async () => {
    const outcome = await answerRaw(
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    );
    expect(outcome).toMatchObject({ status: 'delivered', responseCode: 200 });
    expect(outcome.responseHeaders).toEqual({ 'content-length': '2' });
  });

  it('that ends with the connection is whole', async () => {
    receiver = await startRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
    const outcome = await post(sender, receiver.url);
    expect(outcome.status).toBe('delivered');
    expect(outcome.responseBody?.toString()).toBe('until the end');
  });

  it.each([
    [204, 'content-length: 5', 'delivered'],
    [204, 'transfer-encoding: chunked', 'delivered'],
    [304, 'content-length: 5', 'failed'],
  ])(
    '%i ends at its headers, though they say %s; then its socket is closed',
    async (code, header, status) => {
      const outcome = await answerRaw(`HTTP/1.1 ${code} X\r\n${header}\r\n\r\n`);
      expect(outcome).toMatchObject({ status, responseCode: code });
      expect(outcome.error?.code).toBe(status === 'failed' ? 'redirect_not_followed' : undefined);
      await until(() => receiver!.open.size === 0);
      const closed = await startRaw((socket) => socket.end(`HTTP/1.1 ${code} X\r\n${header}\r\n\r\n`));
      expect(await post(sender, closed.url)).toMatchObject({ status, responseCode: code });
      await closed.close();
    },
  );

  it('204 that announces no body leaves its connection for the next request', async () => {
    receiver = await startHttp((_request, response) => response.writeHead(204).end());
    for (let request = 0; request < 3; request++) await post(sender, receiver.url);
    expect(receiver.accepted).toHaveLength(1);
  });

  it('that breaks off has failed as response_incomplete, with what was read of it', async () => {
    receiver = await startRaw((socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart');
    });
    const outcome = await post(sender, receiver.url);
    expect(outcome).toMatchObject({
      status: 'failed',
      responseCode: 200,
      error: { code: 'response_incomplete' },
    });
    expect(outcome.responseBody?.toString()).toBe('part');
  });
});

describe('a connection', () => {
  it('that is refused has failed as connection_refused', async () => {
    const gone = await startHttp(() => undefined);
    await gone.close();
    expect(await post(sender, gone.url)).toMatchObject({
      status: 'failed',
      error: { code: 'connection_refused' },
      responseCode: null,
      address: '127.0.0.1',
    });
  });

  it('that is refused on every address of its name has failed as connection_refused', async () => {
    const gone = await startHttp(() => undefined);
    await gone.close();
    expect(await post(sender, `http://localhost:${gone.port}/`)).toMatchObject({
      error: { code: 'connection_refused' },
    });
  });

  it.each<[string, (socket: Socket) => void]>([
    ['reset', (socket) => socket.resetAndDestroy()],
    ['closed', (socket) => socket.end()],
  ])('that is %s before an answer has failed as connection_%s', async (how, end) => {
    receiver = await startRaw(end);
    expect(await post(sender, receiver.url)).toMatchObject({
      status: 'failed',
      error: { code: `connection_${how}` },
      responseCode: null,
    });
  });
});

describe('an early answer', () => {
  const body = Buffer.alloc(8 * 1024 * 1024, 'x');

  it.each<[string, number, string, (socket: Socket) => void]>([
    ['a connection that closes', 413, 'Connection: close\r\n', (socket) => socket.end()],
    ['a connection that is reset', 413, '', (socket) => setTimeout(() => socket.resetAndDestroy(), 50)],
    ['a connection that would be kept', 401, '', () => undefined],
    ['a success on a connection that would be kept', 202, '', () => undefined],
  ])('before the request is read counts, on %s', async (_what, code, header, then) => {
    receiver = await startRaw((socket) => {
      socket.pause();
      socket.write(`HTTP/1.1 ${code} X\r\n${header}Content-Length: 2\r\n\r\nno`);
      then(socket);
    });
    const outcome = await post(sender, receiver.url, { body, timeoutMs: 5_000 });
    expect(outcome).toMatchObject({ responseCode: code, status: code === 202 ? 'delivered' : 'failed' });
    expect(outcome.responseBody?.toString()).toBe('no');
    // The rest of the request would stand before the next one.
    await until(() => sender.stats().connections === 0);
  });
});

describe('bytes on an idle connection', () => {
  it.each([
    ['garbage', '\0\0garbage'],
    ['a whole answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['an interim response', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('close it: %s', async (_what, bytes) => {
    const answer = 'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n';
    receiver = await startRaw((socket) => socket.write(answer));
    expect(await post(sender, receiver.url)).toMatchObject({ responseCode: 500 });
    expect(sender.stats().idleConnections).toBe(1);
    receiver.accepted[0]!.write(bytes);
    await until(() => sender.stats().connections === 0);
    expect(await post(sender, receiver.url)).toMatchObject({ responseCode: 500 });
    expect(receiver.accepted).toHaveLength(2);
  });
});

describe('the deadline', () => {
  it('ends an exchange without an answer and closes its socket', async () => {
    receiver = await startHttp(() => undefined);
    const outcome = await post(sender, receiver.url, { timeoutMs: 100 });
    expect(outcome).toMatchObject({
      status: 'timeout',
      error: { code: 'timeout' },
      responseCode: null,
      address: '127.0.0.1',
    });
    expect(outcome.latencyMs).toBeGreaterThan(0);
    await until(() => receiver!.open.size === 0);
  });

  it.each([
    ['headers', 'HTTP/1.1 200 OK\r\n', 'x'],
    ['body', 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n', 'x'],
    ['chunk extensions', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;', 'x'],
    ['interim responses', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('ends an exchange whose %s drip in', async (_what, start, drop) => {
    receiver = await startRaw((socket) => {
      socket.write(start);
      const drip = setInterval(() => socket.write(drop), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const outcome = await post(sender, receiver.url, { timeoutMs: 400 });
    expect(outcome.status).toBe('timeout');
    expect([200, null]).toContain(outcome.responseCode);
    await until(() => receiver!.open.size === 0);
  });

  it('keeps the status and body that were read before it', async () => {
    receiver = await startRaw((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart'));
    const outcome = await post(sender, receiver.url, { timeoutMs: 300 });
    expect(outcome).toMatchObject({ status: 'timeout', responseCode: 200 });
    expect(outcome.responseBody?.toString()).toBe('part');
  });
});

describe('a send that has ended', () => {
  it('leaves no timer and no listener behind', async () => {
    receiver = await startHttp((_request, response) => response.end());
    const { signal } = new AbortController();
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timers();
    for (let i = 0; i < 5; i++) await post(sender, receiver.url, { signal, timeoutMs: 600_000 });
    expect(timers()).toBeLessThanOrEqual(before);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(sender.stats()).toEqual({ inFlight: 0, connections: 1, idleConnections: 1 });
  });
});

describe('aborting', () => {
  it('before the send opens no socket', async () => {
    receiver = await startHttp((_request, response) => response.end());
    const outcome = await post(sender, receiver.url, { signal: AbortSignal.abort() });
    expect(outcome).toMatchObject({ status: 'aborted', responseCode: null });
    expect(receiver.accepted).toHaveLength(0);
  });

  it('while waiting for the answer closes the socket at once', async () => {
    const controller = new AbortController();
    receiver = await startHttp(() => controller.abort());
    const outcome = await post(sender, receiver.url, { signal: controller.signal });
    expect(outcome).toMatchObject({ status: 'aborted', error: { code: 'aborted' } });
    await until(() => receiver!.open.size === 0);
  });

  it('while reading the body closes the socket at once', async () => {
    const controller = new AbortController();
    receiver = await startHttp((_request, response) => {
      response.write('part', () => setImmediate(() => controller.abort()));
    });
    expect(await post(sender, receiver.url, { signal: controller.signal })).toMatchObject({
      status: 'aborted',
    });
    await until(() => receiver!.open.size === 0);
  });

  it('after the end changes nothing', async () => {
    const controller = new AbortController();
    receiver = await startHttp((_request, response) => response.end());
    const outcome = await post(sender, receiver.url, { signal: controller.signal });
    controller.abort();
    expect(outcome.status).toBe('delivered');
    expect(await post(sender, receiver.url)).toMatchObject({ status: 'delivered' });
    expect(receiver.accepted).toHaveLength(1);
  });

  it('by closing the sender ends what is in flight, and later sends', async () => {
    receiver = await startHttp(() => undefined);
    const sending = Array.from({ length: 5 }, () => post(sender, receiver!.url, { maxConnections: 2 }));
    await until(() => receiver!.accepted.length === 2);
    await sender.close();
    for (const outcome of await Promise.all(sending)) expect(outcome.status).toBe('aborted');
    await until(() => receiver!.open.size === 0);
    expect(await post(sender, receiver.url)).toMatchObject({ status: 'aborted' });
    expect(receiver.accepted).toHaveLength(2);
  });
});

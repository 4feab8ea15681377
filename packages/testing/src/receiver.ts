import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { patience } from './wait-until.js';

export interface ReceivedRequest {
  /** 1 for the first request this receiver got. */
  number: number;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** Name, value, name, value… as they came over the wire: order, case and repeats kept. */
  rawHeaders: string[];
  body: Buffer;
  /** When the last byte of the body had been read. */
  at: Date;
}

export type ReceiverResponse =
  | { status?: number; headers?: OutgoingHttpHeaders; body?: string | Buffer; delayMs?: number }
  /** Reads the request and never answers. */
  | { fault: 'hang' }
  /** Reads the request, then resets the connection. */
  | { fault: 'reset'; delayMs?: number }
  /** Answers with headers at once, then one byte every `everyMs`; without `bytes` it never ends. */
  | { fault: 'drip'; everyMs: number; bytes?: number; status?: number; headers?: OutgoingHttpHeaders };

export type ReceiverHandler = (request: ReceivedRequest) => ReceiverResponse | Promise<ReceiverResponse>;

export interface Receiver {
  url: string;
  port: number;
  /** Every request read to its end, in that order. */
  requests: ReceivedRequest[];
  /** TCP connections accepted so far: tells whether a client kept its connections alive. */
  connectionCount(): number;
  respondWith(handler: ReceiverHandler): void;
  /** Resolves with all requests once there are that many, or once the predicate holds for them. */
  waitFor(
    wanted: number | ((requests: readonly ReceivedRequest[]) => boolean),
    options?: { timeoutMs?: number },
  ): Promise<ReceivedRequest[]>;
  /** Also cuts the connections that hang or drip. */
  close(): Promise<void>;
}

/** A real HTTP server on a free loopback port; answers 200 with an empty body unless told otherwise. */
export async function startReceiver(handler: ReceiverHandler = () => ({ status: 200 })): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const checks = new Set<() => void>();
  let connections = 0;
  let respond = handler;

  const server = createServer((incoming, response) => {
    void receive(incoming, requests).then(
      async (request) => {
        if (request === null) return;
        for (const check of checks) check();
        await answer(await respond(request), incoming, response);
      },
      (error: unknown) => {
        // A handler that throws is a broken test: say so in the answer, where the client under test will show it.
        if (!response.headersSent) response.writeHead(500);
        response.end(String(error));
      },
    );
  });
  // Idle connections stay open for as long as the test wants them.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    connectionCount: () => connections,
    respondWith: (next) => {
      respond = next;
    },
    waitFor: (wanted, { timeoutMs = 10_000 } = {}) => {
      const reached = () => (typeof wanted === 'number' ? requests.length >= wanted : wanted(requests));
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          checks.delete(check);
          const goal = typeof wanted === 'number' ? `${wanted} requests` : 'the wanted requests';
          reject(
            new Error(`the receiver got ${requests.length} requests, not ${goal}, within ${timeoutMs} ms`),
          );
        }, timeoutMs * patience);
        const check = () => {
          if (!reached()) return;
          clearTimeout(timer);
          checks.delete(check);
          resolve(requests);
        };
        checks.add(check);
        check();
      });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function receive(
  incoming: IncomingMessage,
  requests: ReceivedRequest[],
): Promise<ReceivedRequest | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
  } catch {
    return null; // the client went away before the end of its body
  }
  const request: ReceivedRequest = {
    number: requests.length + 1,
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers: incoming.headers,
    rawHeaders: incoming.rawHeaders,
    body: Buffer.concat(chunks),
    at: new Date(),
  };
  requests.push(request);
  return request;
}

async function answer(
  wanted: ReceiverResponse,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if ('fault' in wanted && wanted.fault === 'hang') return;
  if ('delayMs' in wanted && wanted.delayMs) await pause(wanted.delayMs);
  if (!('fault' in wanted)) {
    response.writeHead(wanted.status ?? 200, wanted.headers);
    response.end(wanted.body);
  } else if (wanted.fault === 'reset') {
    incoming.socket.resetAndDestroy();
  } else {
    response.writeHead(wanted.status ?? 200, wanted.headers);
    response.flushHeaders();
    for (let sent = 0; sent < (wanted.bytes ?? Infinity) && !response.destroyed; sent += 1) {
      response.write('.');
      await pause(wanted.everyMs);
    }
    response.end();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

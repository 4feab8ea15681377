import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Sender, SendRequest } from '../sender.js';

export interface TestServer {
  readonly port: number;
  readonly url: string;
  /** Sockets ever accepted. */
  readonly accepted: Socket[];
  /** Sockets open now. */
  readonly open: Set<Socket>;
  close(): Promise<void>;
}

export async function startHttp(
  listener: RequestListener,
  host = '127.0.0.1',
  port = 0,
): Promise<TestServer> {
  return listen(createHttpServer({ keepAliveTimeout: 60_000 }, listener), host, port);
}

/** For answers that no HTTP library would write: they are sent when the request has begun to arrive. */
export async function startRaw(onRequest: (socket: Socket) => void): Promise<TestServer> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => onRequest(socket));
  });
  return listen(server, '127.0.0.1', 0);
}

export async function listen(server: Server, host: string, port: number): Promise<TestServer> {
  const accepted: Socket[] = [];
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    accepted.push(socket);
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/hook`,
    accepted,
    open,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** A request with everything a test does not care about filled in. */
export function post(sender: Sender, url: string, request: Partial<SendRequest> = {}) {
  return sender.send({
    url,
    headers: {},
    body: '{}',
    poolKey: 'customer/endpoint',
    timeoutMs: 10_000,
    ...request,
  });
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

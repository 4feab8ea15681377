import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

import { refuseMalformed, refuseMissingHost } from './refuse-malformed.js';

export interface HttpServerOptions {
  handler: RequestListener;
  host?: string;
  /** 0: any free port. */
  port: number;
  /** Within which a request has to arrive whole. */
  requestTimeoutMs?: number;
}

export interface HttpServer {
  readonly port: number;
  /**
   * Stops taking connections, lets requests in flight finish and closes each connection behind its last one; what is
   * left at the deadline is cut.
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/** Listens, with limits that slow or endless clients run into. Rejects when the port cannot be had. */
export async function createHttpServer({
  handler,
  host,
  port,
  requestTimeoutMs = 30_000,
}: HttpServerOptions): Promise<HttpServer> {
  const server = createServer({
    // Above the idle timeout of common load balancers (60 s): they must be the ones to close, or they send into a
    // connection that has just gone.
    keepAliveTimeout: 65_000,
    headersTimeout: Math.min(15_000, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(5_000, requestTimeoutMs),
    maxHeaderSize: 16 * 1024,
    requireHostHeader: false,
    noDelay: true,
  });
  refuseMalformed(server);
  let closing = false;
  server.on('request', (request, response) => {
    if (closing) response.setHeader('Connection', 'close');
    response.once('close', () => {
      if (closing) server.closeIdleConnections();
    });
    if (!refuseMissingHost(request, response)) handler(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: ({ deadlineMs = 10_000 } = {}) => {
      closing = true;
      return new Promise((resolve) => {
        const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
        server.close(() => {
          clearTimeout(deadline);
          resolve();
        });
      });
    },
  };
}

import type { Logger } from '@posthorn/runtime';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { limitConnections } from './limit-connections.js';
import { openFilesLimit } from './open-files-limit.js';
import { refuseMalformed, refuseMissingHost } from './refuse-malformed.js';
import { refuseSlowBodies, type SlowBodyLimits } from './refuse-slow-bodies.js';

export interface HttpServerOptions {
  handler: RequestListener;
  host?: string;
  /** 0: any free port. */
  port: number;
  /** Within which a request has to arrive whole. */
  requestTimeoutMs?: number;
  /** Default: 1 KiB per second, looked at every 5 s. */
  slowBodies?: SlowBodyLimits;
  /** Open connections; for more, unused ones make room, or they are answered 503. Default 10,000; at most half the open files that the process may have. */
  connectionsMax?: number;
  /** How long a connection is without a request before it makes room. Default 1 s. */
  connectionUnusedMs?: number;
  logger?: Logger;
}

export interface HttpServer {
  readonly port: number;
  /**
   * Stops taking connections, lets requests in flight finish and closes each connection behind its last one, and those
   * on which nothing came yet; what is left at the deadline is cut.
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/** Listens, with limits that slow or endless clients run into. Rejects when the port cannot be had. */
export async function createHttpServer({
  handler,
  host,
  port,
  requestTimeoutMs = 30_000,
  slowBodies = { everyMs: 5_000, bytesPerSecondMin: 1_024 },
  connectionsMax = 10_000,
  connectionUnusedMs = 1_000,
  logger,
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
  refuseSlowBodies(server, refuseMalformed(server), slowBodies);
  const refuseBeyondLimit = limitConnections(server, {
    connectionsMax: withinOpenFiles(connectionsMax, logger),
    unusedMs: connectionUnusedMs,
    logger,
  });
  const closeSilent = silentConnections(server);
  let closing = false;
  server.on('request', (request, response) => {
    if (closing) response.setHeader('Connection', 'close');
    response.once('close', () => {
      if (closing) server.closeIdleConnections();
    });
    if (refuseBeyondLimit(request, response) || refuseMissingHost(request, response)) return;
    handler(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: acceptBacklog }, resolve);
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
        closeSilent();
      });
    },
  };
}

/**
 * Connections that were opened ahead of a request, as browsers and load balancers do. For Node they are not idle, and it
 * looks at the time of none any more when it closes. Returns what closes them.
 */
function silentConnections(server: Server): () => void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return () => {
    // Behind the sockets' turn: what has arrived meanwhile is read first.
    setImmediate(() => {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    });
  };
}

/**
 * Past the limit of open files a connection is closed before anything of ours sees it, and none can be opened to Postgres,
 * Redis or an endpoint: half of them are left to those.
 */
function withinOpenFiles(connectionsMax: number, logger: Logger | undefined): number {
  const openFilesMax = openFilesLimit() ?? Infinity;
  const allowed = Math.floor(openFilesMax / 2);
  if (allowed >= connectionsMax) return connectionsMax;
  logger?.warn('http.connections_reduced', { connections_max: allowed, open_files_max: openFilesMax });
  return allowed;
}

/** Behind Node's 511 a burst of connections waits a second or more for its second SYN. The system may allow less. */
const acceptBacklog = 4_096;

import { type AttemptErrorCode, attemptError, type AttemptOutcome } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import { createAddressPolicy } from './address-policy.js';
import { createConnectionPools } from './connection-pools.js';
import { Exchange } from './exchange.js';
import { createGuardedConnect } from './guarded-connect.js';
import { createNameResolver } from './name-resolver.js';
import { prepareRequestHeaders } from './request-headers.js';
import { checkTarget } from './target-url.js';

export interface SenderOptions {
  /** CIDR ranges of either family that may be delivered to although they are not public. */
  allowTargets: readonly string[];
  /** `ip` or `ip:port`; the system's unless given. */
  dnsServers?: readonly string[];
  /** For the first query to a name server, growing with each try; later c-ares goes by how fast that one answers. */
  dnsTimeoutMs?: number;
  dnsTries?: number;
  timeoutMsDefault?: number;
  responseBytesKept?: number;
  userAgent?: string;
  /** Where a request does not say `maxConnections`. */
  connectionsPerOrigin?: number;
  /** Idle sockets kept over all endpoints. */
  idleConnectionsMax?: number;
  /** How long an idle socket is kept; up to four times as long when the endpoint offers it. */
  keepAliveMs?: number;
  /** After which no request is sent over a socket: the next looks the name up again, and checks address and certificate. */
  connectionAgeMaxMs?: number;
  /** PEM; trusted beside the built-in ones. */
  certificateAuthorities?: readonly string[];
  logger?: Logger;
  /** Monotonic; for the age of connections. */
  nowMs?: () => number;
  random?: () => number;
}

export interface SendRequest {
  url: string;
  /** Final headers; `user-agent` and `content-type: application/json` are added when missing. */
  headers: Readonly<Record<string, string>>;
  body: string | Buffer;
  /** Opaque, e.g. customer and endpoint. Requests with different keys share no connection and no waiting line. */
  poolKey: string;
  /** Over the whole exchange: waiting for a connection, DNS, connect, TLS, headers and body. */
  timeoutMs?: number;
  maxConnections?: number;
  /** Aborting closes the socket; the outcome is `aborted`. */
  signal?: AbortSignal;
}

export interface SenderStats {
  /** Sends that have not ended. */
  inFlight: number;
  /** Connections of all endpoints, being made or made. */
  connections: number;
  /** Those of them that wait for another request. */
  idleConnections: number;
}

export interface Sender {
  /** One POST. Never rejects: whatever the endpoint does is an outcome. */
  send(request: SendRequest): Promise<AttemptOutcome>;
  stats(): SenderStats;
  /** Aborts what is in flight and closes all sockets; sends after it come back `aborted`. */
  close(): Promise<void>;
}

/** The only code that opens a socket to a customer. Throws when `allowTargets` holds no valid range. */
export function createSender(options: SenderOptions): Sender {
  const {
    timeoutMsDefault = 15_000,
    responseBytesKept = 16_384,
    userAgent = 'Posthorn/0.1',
    connectionsPerOrigin = 10,
    connectionAgeMaxMs = 60_000,
    nowMs = () => performance.now(),
    random = Math.random,
  } = options;
  const policy = createAddressPolicy(options.allowTargets);
  const resolver = createNameResolver({
    servers: options.dnsServers ?? [],
    timeoutMs: options.dnsTimeoutMs ?? 1_000,
    tries: options.dnsTries ?? 3,
  });
  const connect = createGuardedConnect({
    policy,
    resolver,
    certificateAuthorities: options.certificateAuthorities ?? [],
    // A connection that resumes a session ends when the certificate has been unseen for that age, and shall last till then.
    sessionAgeMaxMs: connectionAgeMaxMs / 2,
    nowMs,
    logger: options.logger,
  });
  const pools = createConnectionPools({
    connect,
    keepAliveMs: options.keepAliveMs ?? 4_000,
    ageMaxMs: connectionAgeMaxMs,
    nowMs,
    random,
    idleConnectionsMax: options.idleConnectionsMax ?? 1_000,
  });
  const running = new Set<Exchange>();
  let closed = false;

  return {
    send: async (request) => {
      if (closed) return withoutSending('aborted', 'aborted', 'The sender is closed.');
      const target = checkTarget(request.url, policy);
      if (!target.ok) return withoutSending('refused', 'target_refused', target.message);
      const headers = prepareRequestHeaders(request.headers, userAgent);
      if (!headers.ok) return withoutSending('refused', 'header_refused', headers.message);

      const { origin, pathname, search } = target.url;
      const exchange = new Exchange(
        {
          origin,
          path: pathname + search,
          headers: headers.list,
          body: request.body,
          poolKey: request.poolKey,
          timeoutMs: request.timeoutMs ?? timeoutMsDefault,
          maxConnections: Math.max(1, request.maxConnections ?? connectionsPerOrigin),
          signal: request.signal,
        },
        { pools, responseBytesKept },
      );
      running.add(exchange);
      const outcome = await exchange.run();
      running.delete(exchange);
      return outcome;
    },

    stats: () => {
      const { open, idle } = pools.counts();
      return { inFlight: running.size, connections: open, idleConnections: idle };
    },

    close: async () => {
      closed = true;
      for (const exchange of running) exchange.abort();
      await pools.close();
      resolver.close();
    },
  };
}

function withoutSending(
  status: 'refused' | 'aborted',
  code: AttemptErrorCode,
  message: string,
): AttemptOutcome {
  return {
    status,
    error: attemptError(code, message),
    responseCode: null,
    responseHeaders: null,
    responseBody: null,
    responseTruncated: false,
    address: null,
    resent: false,
    latencyMs: 0,
    startedAt: new Date(),
  };
}

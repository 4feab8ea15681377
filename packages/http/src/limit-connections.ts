import { operations } from '@posthorn/api-contract';
import type { Logger } from '@posthorn/runtime';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { unavailable } from './app-error.js';
import { requestIdFor } from './request-id.js';
import { sendProblem } from './send-problem.js';

export interface ConnectionLimits {
  /** Each open connection costs memory, whatever it does. */
  connectionsMax: number;
  /** How long a connection must have been without a request before it is closed for another one. */
  unusedMs: number;
  logger: Logger | undefined;
}

/**
 * Bounds the open connections. At the limit, one that waits for a request makes room for one that comes: first those that
 * never sent one, then those idle between two, the longest waiting first. While all are in use, a few more are let in to
 * be answered: a health check as ever, anything else 503. Returns what answers a request in this way, and then says true.
 */
export function limitConnections(
  server: Server,
  { connectionsMax, unusedMs, logger }: ConnectionLimits,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const open = new Set<Socket>();
  // The longest waiting first, each with the time since when it waits.
  const silent = new Map<Socket, number>();
  const idle = new Map<Socket, number>();
  const beyond = new Set<Socket>();
  const unanswered = new WeakMap<Socket, number>();
  const beyondMax = Math.max(10, Math.ceil(connectionsMax / 100));
  const report = createReport(connectionsMax, logger);
  let settling = false;

  const forget = (socket: Socket): void => {
    for (const each of [open, silent, idle, beyond]) each.delete(socket);
  };
  const closeUnused = (): boolean => {
    const socket = longestWaiting(silent, unusedMs) ?? longestWaiting(idle, unusedMs);
    if (socket === undefined) return false;
    forget(socket);
    socket.destroy();
    report.closed();
    return true;
  };
  const settle = (): void => {
    settling = false;
    for (const socket of beyond) {
      if (open.size - beyond.size >= connectionsMax && !closeUnused()) break;
      beyond.delete(socket);
      if (!unanswered.has(socket)) silent.set(socket, performance.now());
    }
    for (const socket of beyond) {
      if (beyond.size <= beyondMax) break;
      forget(socket);
      report.refused();
      server.emit('clientError', connectionsFull(), socket);
    }
  };

  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => forget(socket));
    if (open.size - beyond.size <= connectionsMax) {
      silent.set(socket, performance.now());
      return;
    }
    beyond.add(socket);
    if (settling) return;
    settling = true;
    // Behind the sockets' turn: what has arrived on the others meanwhile is read first.
    setImmediate(settle);
  });

  return (request, response) => {
    const { socket } = request;
    silent.delete(socket);
    idle.delete(socket);
    unanswered.set(socket, (unanswered.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (unanswered.get(socket) ?? 1) - 1;
      unanswered.set(socket, left);
      if (left === 0 && open.has(socket)) idle.set(socket, performance.now());
    });
    if (!beyond.has(socket)) return false;
    response.setHeader('Connection', 'close');
    if (isHealthCheck(request)) return false;
    report.refused();
    const requestId = requestIdFor(request);
    response.setHeader('X-Request-Id', requestId);
    sendProblem(request, response, unavailable('Too many connections are open.'), requestId);
    return true;
  };
}

function longestWaiting(waiting: ReadonlyMap<Socket, number>, unusedMs: number): Socket | undefined {
  const [first] = waiting;
  return first !== undefined && performance.now() - first[1] >= unusedMs ? first[0] : undefined;
}

const healthPaths: ReadonlySet<string> = new Set([operations.getHealth.path, operations.getReady.path]);

function isHealthCheck({ method, url = '' }: IncomingMessage): boolean {
  return method === 'GET' && healthPaths.has(url);
}

/** Answered as a problem by `refuseMalformed`. */
function connectionsFull(): Error {
  return Object.assign(new Error('Too many connections are open'), { code: 'ERR_CONNECTIONS_FULL' });
}

/** One line a second, with what was done since the one before. */
function createReport(connectionsMax: number, logger: Logger | undefined) {
  let nextAtMs = 0;
  let closed = 0;
  let refused = 0;
  const count = (): void => {
    const nowMs = performance.now();
    if (nowMs < nextAtMs) return;
    nextAtMs = nowMs + 1_000;
    logger?.warn('http.connections_full', { connections_max: connectionsMax, closed, refused });
    closed = refused = 0;
  };
  return {
    closed: () => {
      closed++;
      count();
    },
    refused: () => {
      refused++;
      count();
    },
  };
}

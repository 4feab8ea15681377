import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

export interface SlowBodyLimits {
  /** How often connections are looked at; a body is refused when it was too slow between two looks. */
  everyMs: number;
  bytesPerSecondMin: number;
}

/**
 * Ends requests whose bodies drip in. One look at all connections instead of a timer for each request: what was
 * unfinished at the look before, has been read since then as fast as it came, and came slower than the limit, is answered
 * 408, as Node answers a request that takes too long altogether.
 */
export function refuseSlowBodies(
  server: Server,
  newestRequest: (socket: Socket) => IncomingMessage | undefined,
  { everyMs, bytesPerSecondMin }: SlowBodyLimits,
): void {
  const sockets = new Set<Socket>();
  const unfinished = new Map<Socket, { request: IncomingMessage; bytesRead: number }>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      unfinished.delete(socket);
    });
  });

  const bytesMin = (bytesPerSecondMin * everyMs) / 1_000;
  const look = (): void => {
    for (const socket of sockets) {
      const request = newestRequest(socket);
      // Not flowing: it is us who do not read.
      if (!request || request.complete || !request.readableFlowing) {
        unfinished.delete(socket);
        continue;
      }
      const before = unfinished.get(socket);
      const { bytesRead } = socket;
      if (before?.request === request && bytesRead - before.bytesRead < bytesMin) {
        server.emit('clientError', requestTimeout(), socket);
      } else {
        unfinished.set(socket, { request, bytesRead });
      }
    }
  };
  // Behind the sockets' turn: after a stop of the process, what has arrived meanwhile is read first.
  const timer = setInterval(() => setImmediate(look), everyMs);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}

function requestTimeout(): Error {
  return Object.assign(new Error('The body arrives too slowly'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
}

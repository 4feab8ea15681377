import type { IncomingMessage, ServerResponse } from 'node:http';

/** True for a body of which so much may still be to come that reading on is not worth keeping the connection. */
export function hasLongBodyLeft(request: IncomingMessage): boolean {
  if (request.complete) return false;
  if (request.headers['transfer-encoding'] !== undefined) return true;
  return Number(request.headers['content-length'] ?? 0) > worthReadingBytes;
}

/**
 * Sends an answer that carries `Connection: close` and a length, while the body is still arriving. The connection is
 * closed a little later, or sooner when the sender stops: closed at once, it would be reset under a sender that writes,
 * and take the answer with it.
 */
export function endWithBodyLeft(request: IncomingMessage, response: ServerResponse, text: string): void {
  let discarded = 0;
  const end = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', end).off('close', end);
    response.end();
  };
  const onData = (chunk: Buffer): void => {
    discarded += chunk.length;
    if (discarded > discardedMax) end();
  };
  const timer = setTimeout(end, lingerMs);
  response.write(text);
  request.on('data', onData).on('end', end).on('close', end);
}

const worthReadingBytes = 256 * 1024;
const discardedMax = 8 * 1024 * 1024;
const lingerMs = 2_000;

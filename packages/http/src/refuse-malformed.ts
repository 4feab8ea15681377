import { type ProblemCode, problemDocument } from '@posthorn/api-contract';
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';

/**
 * Answers with a problem document what Node would refuse by itself, before any handler sees it. Returns what tells the
 * newest request of a connection.
 */
export function refuseMalformed(server: Server): (socket: Socket) => IncomingMessage | undefined {
  const newest = new WeakMap<Socket, ServerResponse>();
  server.on('request', (request, response) => newest.set(request.socket, response));
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const { status, headers, text } = refusal(
      417,
      'Only the expectation 100-continue is supported; leave out the header Expect.',
    );
    response.writeHead(status, headers).end(text);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!(socket instanceof Socket) || !socket.writable || !mayAnswer(newest.get(socket))) {
      socket.destroy();
      return;
    }
    const { status, headers, text } = refusalOf(error.code);
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head.join('')}\r\n${text}`);
    socket.destroySoon();
  });
  return (socket) => newest.get(socket)?.req;
}

/** For a server with `requireHostHeader: false`, which leaves it to us to say so. True: it has been answered. */
export function refuseMissingHost(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.httpVersion !== '1.1' || request.headers.host !== undefined) return false;
  const { status, headers, text } = refusal(
    400,
    'The Host header is missing; HTTP/1.1 requires it, such as Host: hooks.example.com.',
  );
  response.writeHead(status, headers).end(text);
  return true;
}

/**
 * The sender of a request that is complete waits for its own answer, and must not take this one for it: the request may
 * be done all the same.
 */
function mayAnswer(newest: ServerResponse | undefined): boolean {
  if (newest === undefined || newest.writableFinished) return true;
  return newest.socket !== null && !newest.headersSent && !newest.req.complete;
}

function refusalOf(code: string | undefined): Refusal {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refusal(408, 'The request did not arrive in time; send it faster or in smaller parts.');
    case 'HPE_HEADER_OVERFLOW':
      return refusal(431, 'The headers are larger than 16 KiB; send fewer or shorter ones.');
    case 'HPE_INVALID_METHOD':
      return refusal(
        400,
        'The request does not begin with an HTTP method such as GET or POST. If it is HTTPS, send it to the port of the ' +
          'TLS proxy, or as http://.',
      );
    case 'HPE_INVALID_CHUNK_SIZE':
      return refusal(
        400,
        'The body is chunked, but a chunk has no valid length; send chunks as in RFC 9112.',
      );
    case 'HPE_UNEXPECTED_CONTENT_LENGTH':
    case 'HPE_INVALID_CONTENT_LENGTH':
      return refusal(400, 'The header Content-Length is not a number, or is there twice; send it once.');
    case 'HPE_INVALID_HEADER_TOKEN':
      return refusal(400, 'A header has a character in its name or value that HTTP does not allow.');
    case 'ERR_CONNECTIONS_FULL':
      return refusal(503, 'Too many connections are open; close some or try again later.', 'unavailable');
    default:
      return refusal(
        400,
        'The request is not HTTP/1.1. If it is HTTPS, send it to the port of the TLS proxy, or as http://.',
      );
  }
}

interface Refusal {
  status: number;
  headers: Readonly<Record<string, string | number>>;
  text: string;
}

function refusal(status: number, detail: string, code: ProblemCode = 'invalid_request'): Refusal {
  const requestId = randomUUID();
  const text = JSON.stringify({ ...problemDocument({ code, detail, requestId }), status });
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': requestId,
      ...(status === 503 && { 'Retry-After': 1 }),
      Connection: 'close',
    },
    text,
  };
}

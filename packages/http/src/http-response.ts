import type { Response } from 'express';

import type { Caller } from './caller.js';

interface StatusAndBody {
  status: number;
  /** Serialised as JSON; absent: no body. */
  body?: unknown;
}

interface ResponseDetails {
  headers?: Readonly<Record<string, string>>;
  /** For the audit log: whose data it was about, where neither the path nor the body says so. */
  customerId?: string;
  /** For the audit log: ids of what it was about, where neither the path nor the body says so. */
  target?: Readonly<Record<string, string>>;
  /** For the audit log: the caller, if authentication did not set it. */
  caller?: Caller;
  /** True: nothing was created or changed, so the audit log gets no entry. */
  unchanged?: boolean;
}

/** What a handler returns. `Declared` is what its operation declares, a body for each status. */
export type HttpResponse<Declared extends StatusAndBody = StatusAndBody> = ResponseDetails &
  (
    | (Declared & { json?: undefined; begin?: undefined })
    // JSON text that is sent as it is, for payloads that must not be parsed and written again.
    | { status: Declared['status']; json: string; body?: undefined; begin?: undefined }
    // Gets the response with its status and headers, and ends it later. It may refuse.
    | { status: Declared['status']; begin: (response: Response) => void; body?: undefined; json?: undefined }
  );

export function sendResponse(response: Response, { status, headers, body, json, begin }: HttpResponse): void {
  response.statusCode = status;
  if (headers) for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (begin) {
    begin(response);
    return;
  }
  const text = json ?? (body === undefined ? undefined : JSON.stringify(body));
  if (text === undefined) {
    response.end();
    return;
  }
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  // As a string, not as bytes: Node then writes head and body in one piece.
  response.end(text);
}

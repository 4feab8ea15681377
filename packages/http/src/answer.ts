import type { Response } from 'express';

import type { Caller } from './caller.js';

export interface Answer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  /** Serialised as JSON; absent: no body. */
  body?: unknown;
  /** JSON text that is sent as it is, for payloads that must not be parsed and written again. Instead of `body`. */
  json?: string;
  /** Instead of a body: gets the response with its status and headers, and ends it when it likes. May refuse it. */
  begin?: (response: Response) => void;
  /** For the audit log: whose data it was about, where neither the path nor the body says so. */
  customerId?: string;
  /** For the audit log: ids of what it was about, where neither the path nor the body says so. */
  target?: Readonly<Record<string, string>>;
  /** For the audit log: who it was, where authentication did not tell. */
  caller?: Caller;
  /** True: nothing was made or changed, so the audit log says nothing of it. */
  unchanged?: boolean;
}

export function sendAnswer(response: Response, { status, headers, body, json, begin }: Answer): void {
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

import { problemDocument } from '@posthorn/api-contract';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { AppError } from './app-error.js';
import { endWithBodyLeft, hasLongBodyLeft } from './end-with-body-left.js';

/** Answers with a problem document; what is still to come of the body is not read, or not for long. */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  { code, message, errors, headers, status }: AppError,
  requestId: string,
): void {
  const document = problemDocument({ code, detail: message, requestId, errors });
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const text = JSON.stringify(document);
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  if (!hasLongBodyLeft(request)) {
    response.end(text);
    return;
  }
  response.setHeader('Connection', 'close');
  endWithBodyLeft(request, response, text);
}

import { isDatabaseUnavailable } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';
import type { ErrorRequestHandler, Request, Response } from 'express';

import { AppError, unavailable } from './app-error.js';
import { RequestAborted } from './read-json-text.js';
import { requestIdOf } from './request-id.js';
import { sendProblem } from './send-problem.js';

/** Answers every error with a problem document (RFC 9457). What is not ours to tell is logged, not sent. */
export function problemHandler({ logger }: { logger: Logger }): ErrorRequestHandler {
  const logUnavailable = throttled(logger);
  // Express knows an error handler by its four parameters.
  return (error: unknown, request: Request, response: Response, _next) => {
    if (error instanceof RequestAborted || request.socket.destroyed) {
      logger.debug('request.aborted', { request_id: requestIdOf(response), path: request.path });
      response.destroy();
      return;
    }
    const refusal = refusalOf(error);
    const facts = { request_id: requestIdOf(response), method: request.method, path: request.path };
    if (!refusal) logger.error('request.failed', { ...facts, error });
    else if (refusal.status >= 500 && !refusal.logged)
      logUnavailable({ ...facts, error: refusal.cause ?? refusal });
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendProblem(request, response, refusal ?? internalError(), requestIdOf(response));
  };
}

/** The error as a refusal that may be shown, or null for a bug. */
function refusalOf(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (isDatabaseUnavailable(error)) return unavailable('The database cannot be reached.', error);
  return undecodablePath(error);
}

/** The router's own, in the manner of http-errors: a path that does not decode. */
function undecodablePath(error: unknown): AppError | null {
  if ((error as { status?: unknown }).status !== 400) return null;
  return new AppError({
    code: 'invalid_request',
    detail:
      'The path cannot be decoded: each % must be followed by two hexadecimal digits, such as %20 for a space.',
    cause: error,
  });
}

function internalError(): AppError {
  return new AppError({
    code: 'internal_error',
    detail: 'An internal error happened; search the logs for the request id.',
  });
}

/** An outage fails every request; a line a second says as much as a thousand. */
function throttled(logger: Logger): (fields: object) => void {
  let nextAtMs = 0;
  let withheld = 0;
  return (fields) => {
    const nowMs = performance.now();
    if (nowMs < nextAtMs) {
      withheld++;
      return;
    }
    logger.warn('request.unavailable', { ...fields, withheld });
    nextAtMs = nowMs + 1_000;
    withheld = 0;
  };
}

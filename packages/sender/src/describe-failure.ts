import type { AttemptError } from '@posthorn/domain';
import { ConnectFailure } from './connect-failure.js';
import type { ConnectionPhase } from './connection.js';

export interface Failure {
  readonly status: 'failed' | 'refused' | 'aborted';
  readonly error: AttemptError;
}

/** Turns an error of the socket, TLS or undici into a stable code and a sentence without secrets. */
export function describeFailure(error: Error, phase: ConnectionPhase): Failure {
  if (error instanceof ConnectFailure) {
    return { status: error.status, error: { code: error.code, message: error.message } };
  }
  const code = codeOf(error);
  if (outOfResources.has(code)) {
    return {
      status: 'aborted',
      error: { code: 'local_resources', message: `No socket could be opened (${code}).` },
    };
  }
  return { status: 'failed', error: describe(error, code, phase) };
}

export function describeStatusCode(statusCode: number): AttemptError {
  if (statusCode >= 300 && statusCode < 400) {
    return {
      code: 'redirect_not_followed',
      message: `The endpoint answered ${statusCode}; redirects are not followed.`,
    };
  }
  return { code: 'http_error', message: `The endpoint answered ${statusCode}.` };
}

function describe(error: Error, code: string, phase: ConnectionPhase): AttemptError {
  const known = systemErrors[code];
  if (known !== undefined) return known;
  if (phase === 'securing' || /^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code)) {
    return { code: 'tls_error', message: `No trusted TLS connection could be made (${code}).` };
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return { code: 'invalid_response', message: 'The response headers are longer than 16 KiB.' };
  }
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return { code: 'invalid_response', message: 'The response body is not as long as its content-length.' };
  }
  if (error.name === 'HTTPParserError' || isUnexpectedMessage(error)) {
    return { code: 'invalid_response', message: 'The response is not valid HTTP/1.1.' };
  }
  if (code === 'UND_ERR_SOCKET') return connectionClosed;
  return { code: 'network_error', message: `The connection failed (${code}).` };
}

/** Several addresses tried: the refusal of one says more than the silence of another. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (Array.isArray(errors) && errors.map(codeOf).includes('ECONNREFUSED')) return 'ECONNREFUSED';
  return typeof code === 'string' ? code : 'EUNKNOWN';
}

/** undici's words for a 100 or 101 that nobody asked for, and for an answer before the question. */
function isUnexpectedMessage({ message }: Error): boolean {
  return message === 'bad response' || message === 'bad upgrade';
}

/** Ours, not the endpoint's. */
const outOfResources = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

const connectionClosed: AttemptError = {
  code: 'connection_reset',
  message: 'The endpoint closed the connection before its answer was complete.',
};
const unreachable: AttemptError = { code: 'network_unreachable', message: 'The endpoint cannot be reached.' };
const connectTimeout: AttemptError = {
  code: 'connection_timeout',
  message: 'The endpoint did not accept the connection in time.',
};

const systemErrors: Readonly<Record<string, AttemptError | undefined>> = {
  ECONNREFUSED: { code: 'connection_refused', message: 'The endpoint refused the connection.' },
  ECONNRESET: connectionClosed,
  EPIPE: connectionClosed,
  ETIMEDOUT: connectTimeout,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  EADDRNOTAVAIL: unreachable,
};

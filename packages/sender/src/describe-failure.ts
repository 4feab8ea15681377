import { type AttemptError, attemptError, type AttemptErrorCode } from '@posthorn/domain';
import { ConnectFailure } from './connect-failure.js';
import type { ConnectionPhase } from './connection.js';
import { ResponseFailure } from './response-failure.js';
import { tlsErrorCode } from './tls-error-code.js';

export interface Failure {
  readonly status: 'failed' | 'refused' | 'aborted';
  readonly error: AttemptError;
}

export interface FailureFacts {
  readonly phase: ConnectionPhase;
  /** Of a head that was read before the failure. */
  readonly statusCode: number | null;
  readonly certificateRequested: boolean;
}

/** Turns an error of the socket, TLS or undici into a code of the table and a sentence without secrets. */
export function describeFailure(error: Error, facts: FailureFacts): Failure {
  if (error instanceof ConnectFailure) {
    return { status: error.status, error: attemptError(error.code, error.message) };
  }
  const code = codeOf(error);
  if (outOfResources.has(code)) return { status: 'aborted', error: attemptError('local_resources') };
  const failure = error instanceof ResponseFailure ? error.code : failureCode(error, code, facts);
  const { statusCode } = facts;
  // A body that broke cannot make a success of it; the status says more, and its Retry-After counts.
  if (statusCode !== null && !(statusCode >= 100 && statusCode < 300)) {
    const { code: statusError, message } = describeStatusCode(statusCode);
    return { status: 'failed', error: attemptError(statusError, `${message} Its body was not complete.`) };
  }
  return { status: 'failed', error: attemptError(failure) };
}

/** For a status that is no success. */
export function describeStatusCode(statusCode: number): AttemptError {
  if (statusCode >= 300 && statusCode < 400) {
    return attemptError(
      'redirect_not_followed',
      `The endpoint answered ${statusCode}; redirects are not followed.`,
    );
  }
  const text = String(statusCode).padStart(3, '0');
  const note = statusCode < 100 || statusCode > 599 ? ', which is not a valid status code' : '';
  return attemptError('http_error', `The endpoint answered ${text}${note}.`);
}

function failureCode(error: Error, code: string, facts: FailureFacts): AttemptErrorCode {
  const { phase, statusCode, certificateRequested } = facts;
  // The alert comes after the handshake (TLS 1.3), as an alert of any name (1.2), or the connection is just closed.
  const gaveUpOnUs = closed.has(code) || code.includes('_ALERT_');
  if (certificateRequested && gaveUpOnUs) return 'tls_client_certificate_required';
  if (phase === 'securing' && code !== 'ETIMEDOUT') {
    return closed.has(code) ? 'tls_handshake_closed' : tlsErrorCode(code, error.message);
  }
  if (/^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code)) return tlsErrorCode(code, error.message);
  if (phase === 'open') {
    if (closed.has(code) && statusCode !== null) return 'response_incomplete';
    if (code === 'UND_ERR_SOCKET') return 'connection_closed';
    if (lost.has(code)) return 'connection_lost';
  }
  return systemErrors[code] ?? parserErrorCode(error, code, statusCode) ?? 'network_error';
}

/** Several addresses tried: the refusal of one says more than the silence of another. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  const codes = Array.isArray(errors) ? errors.map(codeOf) : [];
  if (codes.includes('ECONNREFUSED')) return 'ECONNREFUSED';
  return codes[0] ?? (typeof code === 'string' ? code : '');
}

/** undici's parser reads bodies only, heads are read before it; what it finds wrong in a body is the chunks. */
function parserErrorCode(
  { name, message }: Error,
  code: string,
  statusCode: number | null,
): AttemptErrorCode | null {
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return 'response_incomplete';
  if (name === 'HTTPParserError' && message.includes('EOF')) return 'response_incomplete';
  if (name === 'HTTPParserError' || name === 'HeadersOverflowError') {
    return statusCode === null ? 'invalid_response' : 'response_chunk_invalid';
  }
  return name === 'AssertionError' ? 'invalid_response' : null;
}

/** Ours, not the endpoint's. */
const outOfResources = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** The last is undici's word for an end of the stream. */
const closed = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET']);
const lost = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN']);

const systemErrors: Readonly<Record<string, AttemptErrorCode>> = {
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_reset',
  ECONNABORTED: 'connection_reset',
  EPIPE: 'connection_reset',
  ETIMEDOUT: 'connection_timeout',
  EHOSTUNREACH: 'host_unreachable',
  EHOSTDOWN: 'host_unreachable',
  ENETUNREACH: 'network_unreachable',
  ENETDOWN: 'network_unreachable',
  EADDRNOTAVAIL: 'network_unreachable',
  EACCES: 'connection_forbidden',
  EPERM: 'connection_forbidden',
};

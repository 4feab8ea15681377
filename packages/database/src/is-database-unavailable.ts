/**
 * True for errors that are the state of the server or of the way to it rather than the fault of a statement or a row: no
 * connection can be had or it was lost, the server shuts down, starts, is full or read only, a timeout. A later try may
 * succeed. Knows what `pg`, the pool and the Prisma client throw. The only place where errors of the database are classified.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, errorCode, originalCode, kind, syscall, message, errors, meta, cause } = error as ErrorFacts;
  return (
    [code, errorCode, originalCode].some(isUnavailableCode) ||
    (typeof kind === 'string' && UNAVAILABLE_KINDS.has(kind)) ||
    syscall === 'connect' ||
    (typeof message === 'string' && UNAVAILABLE_MESSAGE.test(message)) ||
    (Array.isArray(errors) && errors.some(isDatabaseUnavailable)) ||
    isDatabaseUnavailable(meta?.driverAdapterError) ||
    isDatabaseUnavailable(cause)
  );
}

/** What the errors of Node, pg and Prisma may carry. */
interface ErrorFacts {
  /** An SQLSTATE, the name of an errno, or a code of Prisma's. */
  code?: unknown;
  /** Prisma's, for a client that could not start. */
  errorCode?: unknown;
  /** An SQLSTATE, where Prisma's driver adapter words what the driver threw. */
  originalCode?: unknown;
  /** The adapter's name of it. */
  kind?: unknown;
  syscall?: unknown;
  message?: unknown;
  /** One for each address that was tried. */
  errors?: unknown;
  meta?: { driverAdapterError?: unknown };
  cause?: unknown;
}

function isUnavailableCode(code: unknown): boolean {
  if (typeof code !== 'string') return false;
  return (
    UNAVAILABLE_SQLSTATE.test(code) ||
    UNAVAILABLE_ERRNO.has(code) ||
    UNAVAILABLE_TLS.test(code) ||
    UNAVAILABLE_PRISMA.has(code)
  );
}

/**
 * Classes 08 (connection), 53 (resources: disk, memory, connections) and 58 (the system below Postgres); 57P0x (shutdown,
 * starting, database dropped), 57014 (statement timeout), 55P03 (lock timeout), 25006 (a standby that refuses writes), 25P03
 * and 25P04 (the transaction took too long). Class 28 and 3D000 come only when a connection is opened: the password, the
 * rules of access or the database changed under a process that runs.
 */
const UNAVAILABLE_SQLSTATE = /^(?:08...|28...|3D000|53...|58...|57P0.|57014|55P03|25006|25P0[34])$/;

const UNAVAILABLE_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
]);

/** A certificate that ran out or was changed, and a server that speaks TLS no longer. */
const UNAVAILABLE_TLS =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|HOSTNAME_MISMATCH|ERR_TLS_|ERR_SSL_)/;

/** Wrong password, not reachable, no such database, timed out, denied, TLS, closed by the server, too many connections. */
const UNAVAILABLE_PRISMA = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2037',
]);

const UNAVAILABLE_KINDS = new Set([
  'AuthenticationFailed',
  'DatabaseNotReachable',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
]);

// pg gives these no code, and Prisma puts text of its own before them. The last two are Prisma's: no connection was free in
// time, or the server did not answer within a transaction.
const UNAVAILABLE_MESSAGE =
  /(?:^|\n)(?:Connection terminated|timeout exceeded when trying to connect|timeout expired$|Client has encountered a connection error|Client was closed and is not queryable|Query read timeout|The server does not support SSL connections|There was an error establishing an SSL connection|Cannot use a pool after calling end)|Unable to start a transaction in the given time|The timeout for this transaction was/;

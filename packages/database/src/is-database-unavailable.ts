/**
 * True for errors that are the server's or the network's state rather than a row's fault: no connection, shutting down,
 * too many connections, out of disk or memory, cancelled by a timeout. Trying again later may well succeed.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  if ('errors' in error && Array.isArray(error.errors)) return error.errors.some(isDatabaseUnavailable);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = 'message' in error && typeof error.message === 'string' ? error.message : '';
  return UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_ERRNO.has(code) || UNAVAILABLE_MESSAGE.test(message);
}

// Classes 08 (connection) and 53 (resources), 57P0x (shutdown, starting up), 57014 (statement timeout), 55P03 (lock
// timeout), 25006 (a standby that refuses writes).
const UNAVAILABLE_SQLSTATE = /^(?:08...|53...|57P0.|57014|55P03|25006)$/;

const UNAVAILABLE_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

// node-postgres gives these no code.
const UNAVAILABLE_MESSAGE =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/;

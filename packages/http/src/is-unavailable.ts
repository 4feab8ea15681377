import { isDatabaseUnavailable } from '@posthorn/database';

/** True when Postgres is away, whether the pool or the Prisma client says so. */
export function isUnavailable(error: unknown): boolean {
  if (isDatabaseUnavailable(error)) return true;
  if (typeof error !== 'object' || error === null) return false;
  const { code, meta, cause } = error as {
    code?: unknown;
    cause?: unknown;
    meta?: { driverAdapterError?: { cause?: DriverCause } };
  };
  if (typeof code === 'string' && prismaCodes.has(code)) return true;
  const driverCause = meta?.driverAdapterError?.cause;
  if (
    driverCause &&
    (driverKinds.has(driverCause.kind ?? '') || unavailableState.test(driverCause.originalCode ?? ''))
  )
    return true;
  return cause !== undefined && isUnavailable(cause);
}

/** How Prisma's driver adapter words what the driver threw. */
interface DriverCause {
  kind?: string;
  /** SQLSTATE. */
  originalCode?: string;
}

// Not reachable, timed out, closed by the server, no connection free in time.
const prismaCodes = new Set(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024', 'P2037']);

const driverKinds = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
]);

const unavailableState = /^(?:08...|53...|57P0.|57014|55P03|25006)$/;

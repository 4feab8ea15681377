import type { Logger } from '@posthorn/runtime';
import pg from 'pg';

import {
  applySettings,
  byIndex,
  commonSettings,
  planOnce,
  planWithoutChecks,
  setting,
  type Setting,
} from './connection-settings.js';
import { createDatabaseClock, type DatabaseClock } from './database-clock.js';
import { databaseTarget, type DatabaseTarget } from './database-target.js';
import { type Prisma, PrismaClient } from './generated/client.js';
import { createPrismaAdapter } from './prisma-adapter.js';

/** The Prisma client inside a transaction. */
export type Transaction = Prisma.TransactionClient;
export type { PrismaClient } from './generated/client.js';

export interface DatabaseOptions {
  url: string;
  /** Connections this process may hold in all. */
  poolMax: number;
  /** Of those, the ones kept for `keyLookupPool`. Default 0: it is the pool of everything else. */
  keyLookupPoolMax?: number;
  /** Of those, the ones kept for `ingestPool`. Default 0: it is the same as `keyLookupPool`. */
  ingestPoolMax?: number;
  logger: Logger;
  /** Bounds every statement, so that a stuck server turns into an error instead of a pile. Default 15 s. */
  statementTimeoutMs?: number;
}

export interface Database {
  pool: pg.Pool;
  /**
   * For statements that look rows up by their ids and keep one plan. A plan is made when the day is young, or the
   * installation; on a table of a page or two Postgres prefers to read it whole, and would go on doing so until the next
   * ANALYZE, however many rows have come meanwhile. On these connections an index is cheaper to it than the first page.
   */
  keyLookupPool: pg.Pool;
  /** The same for accepting events, which waits for nothing else here and is planned once. */
  ingestPool: pg.Pool;
  prisma: PrismaClient;
  clock: DatabaseClock;
  close(): Promise<void>;
}

/** Opens the one pool of a process. Does not connect yet: Postgres may be down when a process starts. */
export function openDatabase({
  url,
  poolMax,
  keyLookupPoolMax = 0,
  ingestPoolMax = 0,
  logger,
  statementTimeoutMs = 15_000,
}: DatabaseOptions): Database {
  const target = databaseTarget(url);
  const common = [
    ...commonSettings(target.schema),
    planWithoutChecks,
    setting('statement_timeout', statementTimeoutMs),
  ];
  const open = (settings: readonly Setting[], max: number): pg.Pool =>
    openPool({ target, settings: [...common, ...settings], max, logger, statementTimeoutMs });
  const pool = open([], Math.max(1, poolMax - keyLookupPoolMax - ingestPoolMax));
  const keyLookupPool = keyLookupPoolMax > 0 ? open([byIndex], keyLookupPoolMax) : pool;
  const ingestPool = ingestPoolMax > 0 ? open([byIndex, planOnce], ingestPoolMax) : keyLookupPool;
  const prisma = new PrismaClient({ adapter: createPrismaAdapter(pool, target.schema) });
  const clock = createDatabaseClock(pool);
  return {
    pool,
    keyLookupPool,
    ingestPool,
    prisma,
    clock,
    async close() {
      clock.stop();
      await prisma.$disconnect();
      for (const each of new Set([pool, keyLookupPool, ingestPool])) await each.end();
    },
  };
}

function openPool({
  target: { connectionString, applicationName },
  settings,
  max,
  logger,
  statementTimeoutMs,
}: {
  target: DatabaseTarget;
  settings: readonly Setting[];
  max: number;
  logger: Logger;
  statementTimeoutMs: number;
}): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max,
    connectionTimeoutMillis: 5_000,
    // Before it is lent out for the first time; the pool waits for it.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- its types do not know that
    onConnect: (client) => applySettings(client, settings),
    // The server's timeout says nothing when the server is cut off without a word.
    query_timeout: statementTimeoutMs + 5_000,
    application_name: applicationName,
    keepAlive: true,
    // A new connection spends 30 ms on its first list over a month, on getting to know the partitions and their indexes.
    idleTimeoutMillis: 5 * 60_000,
    // The hot statements are prepared for each day anew; a connection that ends takes its own along.
    maxLifetimeSeconds: 6 * 3_600,
  });
  // Without a listener an idle connection that the server closes would end the process.
  pool.on('error', (error) => logger.warn('database.connection_lost', { error }));
  // The same for one that is lent out: its query fails with the same error, which is where it is dealt with.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

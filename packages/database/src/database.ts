import type { Logger } from '@posthorn/runtime';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';

import { createDatabaseClock, type DatabaseClock } from './database-clock.js';
import { type Prisma, PrismaClient } from './generated/client.js';

/** The Prisma client inside a transaction. */
export type Transaction = Prisma.TransactionClient;
export type { PrismaClient } from './generated/client.js';

export interface DatabaseOptions {
  url: string;
  /** Connections this process may hold; the Prisma client and the hot statements share them. */
  poolMax: number;
  logger: Logger;
  /** Bounds every statement, so that a stuck server turns into an error instead of a pile. Default 15 s. */
  statementTimeoutMs?: number;
}

export interface Database {
  pool: pg.Pool;
  prisma: PrismaClient;
  clock: DatabaseClock;
  close(): Promise<void>;
}

/** Opens the one pool of a process. Does not connect yet: Postgres may be down when a process starts. */
export function openDatabase({
  url,
  poolMax,
  logger,
  statementTimeoutMs = 15_000,
}: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementTimeoutMs,
    // The server's timeout says nothing when the server is cut off without a word.
    query_timeout: statementTimeoutMs + 5_000,
    application_name: 'posthorn',
    keepAlive: true,
  });
  // Without a listener an idle connection that the server closes would end the process.
  pool.on('error', (error) => logger.warn('database.connection_lost', { error }));
  // The same for one that is lent out: its query fails with the same error, which is where it is dealt with.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  const clock = createDatabaseClock(pool);
  return {
    pool,
    prisma,
    clock,
    async close() {
      clock.stop();
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

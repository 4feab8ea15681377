import type { Logger } from '@posthorn/runtime';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';

import { createDatabaseClock, type DatabaseClock } from './database-clock.js';
import { type Prisma, PrismaClient } from './generated/client.js';
import { connectionName } from './older-transactions.js';

/** The Prisma client inside a transaction. */
export type Transaction = Prisma.TransactionClient;
export type { PrismaClient } from './generated/client.js';

export interface DatabaseOptions {
  url: string;
  /** Connections this process may hold in all. */
  poolMax: number;
  /** Of those, the ones kept for `lookUps`. Default 0: it is the pool of everything else. */
  lookUpsMax?: number;
  /** Of those, the ones kept for `accepting`. Default 0: it is the same as `lookUps`. */
  acceptingMax?: number;
  logger: Logger;
  /** Bounds every statement, so that a stuck server turns into an error instead of a pile. Default 15 s. */
  statementTimeoutMs?: number;
}

export interface Database {
  pool: pg.Pool;
  /**
   * For statements that look rows up by their ids and keep one plan. A plan is made when the day is young, or the
   * installation; on a table of a page or two Postgres prefers to read it whole, and would go on doing so until the next
   * ANALYZE, however many rows have come meanwhile. On these connections it does not read whole tables.
   */
  lookUps: pg.Pool;
  /** The same for accepting events, which waits for nothing else here and is planned once. */
  accepting: pg.Pool;
  prisma: PrismaClient;
  clock: DatabaseClock;
  close(): Promise<void>;
}

/** Opens the one pool of a process. Does not connect yet: Postgres may be down when a process starts. */
export function openDatabase({
  url,
  poolMax,
  lookUpsMax = 0,
  acceptingMax = 0,
  logger,
  statementTimeoutMs = 15_000,
}: DatabaseOptions): Database {
  const open = (settings: readonly string[], max: number): pg.Pool =>
    openPool({ url: withSettings(url, settings), max, logger, statementTimeoutMs });
  const pool = open([planWithoutChecks], Math.max(1, poolMax - lookUpsMax - acceptingMax));
  const forLookUps = [planWithoutChecks, withoutTableScans];
  const lookUps = lookUpsMax > 0 ? open(forLookUps, lookUpsMax) : pool;
  const accepting = acceptingMax > 0 ? open([...forLookUps, planOnce], acceptingMax) : lookUps;
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  const clock = createDatabaseClock(pool);
  return {
    pool,
    lookUps,
    accepting,
    prisma,
    clock,
    async close() {
      clock.stop();
      await prisma.$disconnect();
      for (const each of new Set([pool, lookUps, accepting])) await each.end();
    },
  };
}

/**
 * Postgres leaves out partitions by their bounds, whatever this says. Unless it is off, it also tries to refute a
 * statement's conditions by every CHECK of every partition that is left, which makes planning a list over a month of
 * deliveries three to eight times as dear: 11 to 27 ms of CPU against 3, for a statement that then takes one.
 */
const planWithoutChecks = 'constraint_exclusion=off';
const withoutTableScans = 'enable_seqscan=off';
/**
 * Left to itself Postgres plans a statement anew for each execution, 1 to 2 ms over a month of partitions, when the plan for
 * its values looks cheaper: to it, that for one event does, beside the one for any number, which is the same.
 */
const planOnce = 'plan_cache_mode=force_generic_plan';

/** They go with the start of the connection; options that the URL has stay. */
function withSettings(url: string, settings: readonly string[]): string {
  const adapted = new URL(url);
  const options = [adapted.searchParams.get('options'), ...settings.map((setting) => `-c ${setting}`)];
  adapted.searchParams.set('options', options.filter(Boolean).join(' '));
  return adapted.href;
}

/** All our connections are known by their name, see `untilOlderTransactionsEnd`; one given in the URL comes behind ours. */
function named(url: string): { connectionString: string; name: string } {
  const adapted = new URL(url);
  const given = adapted.searchParams.get('application_name');
  adapted.searchParams.delete('application_name');
  return {
    connectionString: adapted.href,
    name: given ? `${connectionName} ${given}` : connectionName,
  };
}

function openPool({
  url,
  max,
  logger,
  statementTimeoutMs,
}: {
  url: string;
  max: number;
  logger: Logger;
  statementTimeoutMs: number;
}): pg.Pool {
  const { connectionString, name } = named(url);
  const pool = new pg.Pool({
    connectionString,
    max,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementTimeoutMs,
    // The server's timeout says nothing when the server is cut off without a word.
    query_timeout: statementTimeoutMs + 5_000,
    application_name: name,
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

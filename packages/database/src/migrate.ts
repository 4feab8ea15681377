import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

import { applySettings, commonSettings, type Setting } from './connection-settings.js';
import { databaseTarget } from './database-target.js';

export type MigrationErrorCode = 'P1003' | 'P3005' | 'P3009' | 'P3015' | 'P3018';

/** The codes are Prisma's own, so that its documentation about resolving them applies. */
export class MigrationError extends Error {
  override name = 'MigrationError';
  constructor(
    readonly code: MigrationErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${code}: ${message}`, options);
  }
}

export interface MigrationLogger {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
}

export interface MigrationStatus {
  /** Wanted, not in the database. */
  pending: string[];
  /** Being applied right now; `pending` has those that are wanted. */
  running: string[];
  /** Began and did not end, and nobody is at it. */
  failed: string[];
  /** In the database, not wanted: it has been migrated by a newer version. */
  unknown: string[];
}

/**
 * Applies the migrations that the database does not have yet, in order of name, and returns their names. It does what
 * `prisma migrate deploy` does, in the same table under the same lock, so either can continue after the other; that
 * command needs a native engine which cannot be downloaded everywhere.
 */
export async function deployMigrations(
  databaseUrl: string,
  migrationsDir: string,
  { logger }: { logger?: MigrationLogger } = {},
): Promise<string[]> {
  const migrations = await readMigrations(migrationsDir);
  const { connectionString, schema } = databaseTarget(databaseUrl);
  const settings = commonSettings(schema);
  const client = new pg.Client(connectionString);
  client.on('error', () => undefined); // the query in flight reports it
  await client.connect();
  try {
    await waitForLock(client);
    await keepJitOff(client, logger);
    await applySettings(client, settings);
    await ensureSchema(client, schema);
    await ensureTable(client);
    const recorded = await readRecords(client);
    refuseAfterFailure(recorded);
    const applied: string[] = [];
    for (const migration of migrations) {
      const record = recorded.find(({ name, state }) => name === migration.name && state === 'applied');
      if (record === undefined) {
        await apply(client, migration, settings);
        applied.push(migration.name);
        logger?.info('migration.applied', { migration: migration.name });
      } else if (!checksums(migration.sql).includes(record.checksum)) {
        logger?.warn('migration.edited_after_it_was_applied', { migration: migration.name });
      }
    }
    return applied;
  } finally {
    await client.end(); // gives the lock back
  }
}

/** What `migrationStatus` compares with: the names of all migrations in the folder. */
export async function readMigrationNames(migrationsDir: string): Promise<string[]> {
  return (await readMigrations(migrationsDir)).map(({ name }) => name);
}

/**
 * How the database stands to the migrations that a process was started with; for readiness checks. The folder is not
 * read anew: an update of the files in place is no concern of processes that run. Takes any pool or client.
 */
export async function migrationStatus(
  database: Pick<pg.Pool, 'query'> | Pick<pg.Client, 'query'>,
  names: readonly string[],
): Promise<MigrationStatus> {
  const recorded = (await hasTable(database)) ? await readRecords(database) : [];
  const applied = namesOf(recorded, 'applied');
  const begun = namesOf(recorded, 'failed');
  const failed = begun.length === 0 ? [] : await readFailed(database, begun);
  return {
    pending: names.filter((name) => !applied.includes(name)),
    running: begun.filter((name) => !failed.includes(name)),
    failed,
    unknown: applied.filter((name) => !names.includes(name)),
  };
}

/**
 * What runs and what failed look the same in the table; what runs has the lock. Read again after the look at the lock,
 * which may just have been given back.
 */
async function readFailed(database: Database, begun: readonly string[]): Promise<string[]> {
  const { rowCount } = await database.query(
    `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = $1 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [migrationLock],
  );
  if (rowCount !== 0) return [];
  return namesOf(await readRecords(database), 'failed').filter((name) => begun.includes(name));
}

function namesOf(records: readonly MigrationRecord[], wanted: MigrationRecord['state']): string[] {
  return records.filter(({ state }) => state === wanted).map(({ name }) => name);
}

interface Migration {
  name: string;
  sql: string;
}

interface MigrationRecord {
  name: string;
  checksum: string;
  state: 'applied' | 'failed' | 'rolled back';
}

type Database = Pick<pg.Pool, 'query'> | Pick<pg.Client, 'query'>;

/** Held by whoever migrates the database, as Prisma does. */
export const migrationLock = 72707369;

async function readMigrations(migrationsDir: string): Promise<Migration[]> {
  const entries = await readdir(migrationsDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => {
      const file = path.join(migrationsDir, name, 'migration.sql');
      const sql = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new MigrationError('P3015', `could not read the migration file at ${file}`, { cause });
      });
      return { name, sql };
    }),
  );
}

// Asked for again and again: a session that waits inside pg_advisory_lock would hold up the CREATE INDEX CONCURRENTLY of
// the one that has it, which waits for every older statement to end.
async function waitForLock(client: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      migrationLock,
    ]);
    if (rows[0]?.locked) return;
    await pause(100);
  }
}

/**
 * For the connections of this role here: each of ours switches it off as well, but what a connection has set may be lost
 * behind a pooler. Whether a statement is compiled is no reason not to migrate.
 */
async function keepJitOff(client: pg.Client, logger: MigrationLogger | undefined): Promise<void> {
  const { rows } = await client.query<{ jit: string; alter: string }>(
    `SELECT current_setting('jit') AS jit,
            format('ALTER ROLE SESSION_USER IN DATABASE %I SET jit = off', current_database()) AS alter`,
  );
  if (rows[0]?.jit !== 'on') return;
  try {
    await client.query(rows[0].alter);
  } catch (error) {
    logger?.warn('migration.jit_left_on', { error });
  }
}

// Not CREATE SCHEMA IF NOT EXISTS: a role that may not make one is refused also where it is there. Prisma names the schema
// in its statements, and without one given that is `public`, wherever the role looks first.
async function ensureSchema(client: pg.Client, schema: string | null): Promise<void> {
  if (schema === null) {
    const { rows } = await client.query<{ first: string | null }>('SELECT current_schema() AS first');
    const first = rows[0]?.first ?? null;
    if (first === 'public') return;
    throw new MigrationError(
      'P1003',
      first === null
        ? 'there is no schema "public" that this role may use: add ?schema= with the name of one to DATABASE_URL'
        : `this role uses the schema "${first}" (its search_path): add ?schema=${encodeURIComponent(first)} to DATABASE_URL`,
    );
  }
  const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${client.escapeIdentifier(schema)}`);
}

async function ensureTable(client: pg.Client): Promise<void> {
  if (await hasTable(client)) return;
  await refuseOthers(client);
  await client.query(`CREATE TABLE _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`);
}

const NAMED_MAX = 5;

/** Objects of an extension hold no data of a user, and another schema is not ours. */
async function refuseOthers(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT current_schema() AS schema, relname AS name FROM pg_class c
      WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
        AND NOT EXISTS (SELECT FROM pg_depend
                         WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
      ORDER BY relname`,
  );
  const [first] = rows;
  if (!first) return;
  const named = rows.slice(0, NAMED_MAX).map(({ name }) => name);
  const others = rows.length - named.length;
  throw new MigrationError(
    'P3005',
    `the database is not empty: its schema "${first.schema}" has tables that are not from these migrations (${named.join(', ')}${
      others > 0 ? ` and ${others} more` : ''
    }). Use an empty database, or a schema of its own: add ?schema=posthorn to DATABASE_URL`,
  );
}

async function hasTable(database: Database): Promise<boolean> {
  const { rows } = await (database as pg.Pool).query<{ found: boolean }>(
    `SELECT to_regclass(quote_ident(current_schema()) || '._prisma_migrations') IS NOT NULL AS found`,
  );
  return rows[0]?.found === true;
}

async function readRecords(database: Database): Promise<MigrationRecord[]> {
  const { rows } = await (database as pg.Pool).query<MigrationRecord>(
    `SELECT migration_name AS name, checksum, CASE
       WHEN rolled_back_at IS NOT NULL THEN 'rolled back' WHEN finished_at IS NULL THEN 'failed' ELSE 'applied' END AS state
     FROM _prisma_migrations ORDER BY started_at`,
  );
  return rows;
}

function refuseAfterFailure(recorded: MigrationRecord[]): void {
  const failed = recorded.filter(({ state }) => state === 'failed').map(({ name }) => name);
  if (failed.length === 0) return;
  throw new MigrationError(
    'P3009',
    `failed migrations must be resolved before new ones are applied: ${failed.join(', ')}`,
  );
}

// Not one transaction: a migration may need to end it (CREATE INDEX CONCURRENTLY), and one that died half way must leave
// its row behind.
async function apply(
  client: pg.Client,
  { name, sql }: Migration,
  settings: readonly Setting[],
): Promise<void> {
  const id = randomUUID();
  await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)', [
    id,
    sha256(sql),
    name,
  ]);
  try {
    await client.query(sql);
  } catch (cause) {
    const said = describe(cause, sql);
    await client
      .query('ROLLBACK; RESET ALL')
      .then(() => applySettings(client, settings))
      .catch(() => undefined);
    await client
      .query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, said])
      .catch(() => undefined);
    throw new MigrationError('P3018', `migration ${name} failed: ${said}`, { cause });
  }
  await client.query('RESET ALL'); // a migration's own lock_timeout or search_path ends with it
  await applySettings(client, settings);
  await client.query(
    'UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = applied_steps_count + 1 WHERE id = $1',
    [id],
  );
}

function describe(error: unknown, sql: string): string {
  if (!(error instanceof pg.DatabaseError)) return String(error);
  const line =
    error.position === undefined ? '' : ` (line ${sql.slice(0, Number(error.position)).split('\n').length})`;
  return [`${error.code ?? ''} ${error.message}${line}`, error.detail, error.hint].filter(Boolean).join('\n');
}

// Git may have rewritten the line ends of either copy.
function checksums(sql: string): string[] {
  const unix = sql.replaceAll('\r\n', '\n');
  return [sql, unix, unix.replaceAll('\n', '\r\n')].map(sha256);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

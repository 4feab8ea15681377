import { databaseTarget, isDatabaseUnavailable, migrationStatus } from '@posthorn/database';
import pg from 'pg';

import {
  connectionProblem,
  inOneLine,
  lasting,
  type NamedService,
  namedService,
  passing,
  type ServiceProblem,
  serviceTimeoutMs,
} from './service-problem.js';

/** The oldest PostgreSQL that the tests run on. */
const postgresMajorMin = 15;

export interface PostgresUse {
  /**
   * `connect`: it lets us in. `migrate`: we may also make tables. `serve`: the tables are there, as these migrations make
   * them, and we may use them.
   */
  purpose: 'connect' | 'migrate' | 'serve';
  /** Those of this build; for `serve`. */
  migrations?: readonly string[];
}

/** Connects once and says what is wrong with the database that DATABASE_URL names, or null. */
export async function postgresProblem(
  url: string,
  { purpose, migrations = [] }: PostgresUse = { purpose: 'connect' },
): Promise<ServiceProblem | null> {
  const named = namedService('DATABASE_URL', 'Postgres', url);
  const { connectionString, schema } = databaseTarget(url);
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: serviceTimeoutMs,
    query_timeout: serviceTimeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    if (schema !== null)
      await client.query("SELECT set_config('search_path', $1, false)", [client.escapeIdentifier(schema)]);
    const server = await readServer(client);
    return (
      serverProblem(named, server) ??
      (purpose === 'connect' ? null : writeProblem(named, server)) ??
      (purpose === 'migrate' ? createProblem(named, server, schema) : null) ??
      (purpose === 'serve' ? await tablesProblem(named, server, schema, client, migrations) : null)
    );
  } catch (error) {
    return describePostgresError(named, error as Error);
  } finally {
    void client.end().catch(() => undefined);
  }
}

/** The problem behind an error of the database that was met later; null for any other error. */
export function postgresProblemOf(url: string, error: unknown): ServiceProblem | null {
  if (!(error instanceof Error) || !isDatabaseUnavailable(error)) return null;
  return describePostgresError(namedService('DATABASE_URL', 'Postgres', url), error);
}

interface Server {
  version: number;
  version_name: string;
  standby: boolean;
  read_only: boolean;
  role: string;
  /** Null when the search path names none that is there and may be used. */
  schema: string | null;
  may_create: boolean;
  may_create_schemas: boolean;
}

async function readServer(client: pg.Client): Promise<Server> {
  const { rows } = await client.query<Server>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_name,
       pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
       current_user AS role, current_schema() AS schema,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schemas`,
  );
  const [server] = rows;
  if (!server) throw new Error('The server has not said what it is');
  return server;
}

function serverProblem(named: NamedService, { version, version_name }: Server): ServiceProblem | null {
  if (Math.floor(version / 10_000) >= postgresMajorMin) return null;
  return lasting(
    named,
    `Postgres at ${named.address} is version ${version_name}; Posthorn needs ${postgresMajorMin} or newer. Upgrade it, or use another one in DATABASE_URL.`,
  );
}

function writeProblem(named: NamedService, { standby, read_only }: Server): ServiceProblem | null {
  if (standby) {
    return passing(
      named,
      `Postgres at ${named.address} is a standby, which takes no writes. Name the primary in DATABASE_URL, or promote this one.`,
    );
  }
  if (!read_only) return null;
  return passing(
    named,
    `Postgres at ${named.address} is read only. Switch default_transaction_read_only off, or use another one in DATABASE_URL.`,
  );
}

function schemaProblem(named: NamedService, { schema, role }: Server): ServiceProblem | null {
  if (schema !== null) return null;
  return lasting(
    named,
    `the schema does not exist, or the role ${role} may not use it. Create it and grant USAGE on it to ${role}.`,
  );
}

/** A schema that the URL names is made when it is not there. */
function createProblem(named: NamedService, server: Server, wanted: string | null): ServiceProblem | null {
  const { schema, role, may_create, may_create_schemas } = server;
  if (schema === null) return wanted !== null && may_create_schemas ? null : schemaProblem(named, server);
  if (may_create) return null;
  return lasting(
    named,
    `the role ${role} may not create tables in the schema ${schema}. Grant CREATE on it to ${role}, or migrate as its owner.`,
  );
}

async function tablesProblem(
  named: NamedService,
  server: Server,
  wanted: string | null,
  client: pg.Client,
  migrations: readonly string[],
): Promise<ServiceProblem | null> {
  if (server.schema === null && wanted !== null) {
    return passing(
      named,
      `there is no schema ${wanted} that the role ${server.role} may use. Run "posthorn migrate", which makes it, or grant USAGE on it.`,
    );
  }
  const noSchema = schemaProblem(named, server);
  if (noSchema) return noSchema;
  const refused = await readRefusedTable(client);
  if (refused !== null) {
    return lasting(
      named,
      `the role ${server.role} may not use the table ${refused}. Grant SELECT, INSERT, UPDATE and DELETE on all tables of the schema ${server.schema} to ${server.role}.`,
    );
  }
  const { pending, running, failed } = await migrationStatus(client, migrations);
  if (running.length > 0) {
    return passing(named, `the database is being migrated (${running.join(', ')}). Wait until it is.`);
  }
  if (failed.length > 0) {
    return lasting(
      named,
      `the migration ${failed.join(', ')} failed in the database. Resolve it, then run "posthorn migrate".`,
    );
  }
  if (pending.length === 0) return null;
  const missing =
    pending.length === migrations.length
      ? 'no migration is'
      : `${pending.length} of ${migrations.length} migrations are not`;
  return passing(named, `${missing} applied to the database. Run "posthorn migrate".`);
}

/** Those that every role reads or writes; a schema may hold tables that are not ours. */
const ourTables = ['customer', 'endpoint', 'event', 'delivery', 'attempt', 'api_key'];

async function readRefusedTable(client: pg.Client): Promise<string | null> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = quote_ident(current_schema())::regnamespace
       AND (relname = '_prisma_migrations' AND NOT has_table_privilege(oid, 'SELECT')
         OR relname = ANY ($1) AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
           AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')))
     ORDER BY relname LIMIT 1`,
    [ourTables],
  );
  return rows[0]?.name ?? null;
}

function describePostgresError(named: NamedService, error: Error): ServiceProblem {
  const { address } = named;
  const said = inOneLine(error);
  const { code = '' } = error as { code?: string };
  if (error.message === 'The server does not support SSL connections') {
    return lasting(
      named,
      `Postgres at ${address} does not speak TLS. Take sslmode out of DATABASE_URL, or switch ssl on there.`,
    );
  }
  if (/^57P0[1-5]$/.test(code)) {
    return passing(
      named,
      `Postgres at ${address} is starting, recovering or stopping: ${said}. Wait until it is ready.`,
    );
  }
  if (code === '53300') {
    return passing(
      named,
      `Postgres at ${address} has no connection free: ${said}. Raise its limit, or lower POSTHORN_DATABASE_POOL_MAX.`,
    );
  }
  if (/^(?:53|58)/.test(code)) {
    return passing(named, `Postgres at ${address} is short of disk or memory: ${said}. Give it more.`);
  }
  if (code === '28P01') {
    return lasting(
      named,
      `Postgres at ${address} refuses the user or the password: ${said}. Correct DATABASE_URL.`,
    );
  }
  if (code.startsWith('28')) {
    return lasting(
      named,
      `Postgres at ${address} refuses the connection: ${said}. Correct DATABASE_URL (sslmode=require where it requires TLS), or its pg_hba.conf.`,
    );
  }
  if (code === '3D000') {
    return lasting(
      named,
      `Postgres at ${address} refuses access: ${said}. Create it or correct DATABASE_URL.`,
    );
  }
  if (code === '42501') {
    return lasting(
      named,
      `Postgres at ${address} refuses access: ${said}. Grant it, or use another user in DATABASE_URL.`,
    );
  }
  const network = connectionProblem(named, error);
  if (network) return network;
  const text = `Postgres at ${address} cannot be used: ${said}. Correct DATABASE_URL.`;
  return isDatabaseUnavailable(error) ? passing(named, text) : lasting(named, text);
}

import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { migrationLock, readMigrationNames } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';
import { type BreakablePostgres, startBreakablePostgres } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { migrateDatabase } from './migrate-database.js';
import { findMigrationsDir } from './migrations-dir.js';
import { postgresProblem, type PostgresUse } from './postgres-problem.sql.js';

let postgres: BreakablePostgres;
let silent: Server;
let http: Server;
let migrations: string[];
let migrated: string;
const serve = (): PostgresUse => ({ purpose: 'serve', migrations });

beforeAll(async () => {
  postgres = await startBreakablePostgres();
  [silent, http] = [createServer(() => undefined), createHttpServer((_, response) => response.end('hello'))];
  for (const server of [silent, http])
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  migrations = await readMigrationNames(findMigrationsDir());
  await sql(`CREATE ROLE app LOGIN PASSWORD 'hunter2'`, `CREATE DATABASE app OWNER app`);
  migrated = urlOf('app', 'hunter2', 'app');
  await migrateDatabase({
    databaseUrl: migrated,
    migrationsDir: findMigrationsDir(),
    logger: createLogger({ level: 'silent', role: 'test' }),
  });
}, 300_000);
afterAll(async () => {
  silent.close();
  http.close();
  await postgres.close();
});

/** Of the server, as its superuser; `database` where it matters. */
async function sql(...statements: string[]): Promise<void> {
  await sqlIn('posthorn', ...statements);
}
async function sqlIn(database: string, ...statements: string[]): Promise<void> {
  const url = new URL(postgres.url);
  url.pathname = `/${database}`;
  const client = new pg.Client(url.href);
  client.on('error', () => undefined);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

function urlOf(user: string, password: string, database: string, query = ''): string {
  return `postgresql://${user}:${password}@127.0.0.1:${postgres.port}/${database}${query}`;
}

interface Row {
  /** Brings the state about; what it returns ends it. */
  begin?: () => Promise<() => Promise<void>>;
  url: () => string;
  use?: () => PostgresUse;
  kind: 'passing' | 'lasting';
  line: RegExp;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const states: Record<string, Row> = {
  'is not listened for': {
    url: () => 'postgresql://user:hunter2@127.0.0.1:1/posthorn',
    kind: 'passing',
    line: /nothing listens at 127\.0\.0\.1:1\. Start Postgres/,
  },
  'has a name that is nowhere': {
    url: () => 'postgresql://user:hunter2@no-such-host.invalid/posthorn',
    kind: 'passing',
    line: /no-such-host\.invalid cannot be found/,
  },
  'never answers': {
    url: () => `postgresql://user:hunter2@127.0.0.1:${portOf(silent)}/posthorn`,
    kind: 'passing',
    line: /no Postgres answers at .* within 4 s/,
  },
  'is a web server': {
    url: () => `postgresql://user:hunter2@127.0.0.1:${portOf(http)}/posthorn`,
    kind: 'passing',
    line: /closes the connection without an answer|no Postgres answers/,
  },
  hangs: {
    begin: async () => {
      postgres.freeze();
      return async () => postgres.thaw();
    },
    url: () => migrated,
    kind: 'passing',
    line: /no Postgres answers/,
  },
  'recovers (57P03)': {
    begin: async () => {
      await postgres.start('recovering');
      return () => postgres.start();
    },
    url: () => migrated,
    kind: 'passing',
    line: /is starting, recovering or stopping/,
  },
  'is a standby': {
    begin: async () => {
      await postgres.start('standby');
      return () => postgres.start();
    },
    url: () => migrated,
    use: serve,
    kind: 'passing',
    line: /is a standby, which takes no writes/,
  },
  'is read only': {
    begin: async () => {
      await sql(`ALTER ROLE app SET default_transaction_read_only = on`);
      return () => sql(`ALTER ROLE app RESET default_transaction_read_only`);
    },
    url: () => migrated,
    use: serve,
    kind: 'passing',
    line: /is read only/,
  },
  'has no connection free (53300)': {
    begin: async () => {
      await sql(`ALTER ROLE app CONNECTION LIMIT 0`);
      return () => sql(`ALTER ROLE app CONNECTION LIMIT -1`);
    },
    url: () => migrated,
    kind: 'passing',
    line: /has no connection free: .*POSTHORN_DATABASE_POOL_MAX/,
  },
  'refuses the password (28P01)': {
    url: () => urlOf('app', 'hunter22', 'app'),
    kind: 'lasting',
    line: /refuses the user or the password.*Correct DATABASE_URL/,
  },
  'does not let the role log in (28000)': {
    begin: async () => {
      await sql(`ALTER ROLE app NOLOGIN`);
      return () => sql(`ALTER ROLE app LOGIN`);
    },
    url: () => migrated,
    kind: 'lasting',
    line: /refuses the connection: .*not permitted to log in/,
  },
  'has no such database (3D000)': {
    url: () => urlOf('app', 'hunter2', 'no_such_database'),
    kind: 'lasting',
    line: /"no_such_database" does not exist/,
  },
  'does not speak TLS': {
    url: () => urlOf('app', 'hunter2', 'app', '?sslmode=require'),
    kind: 'lasting',
    line: /does not speak TLS/,
  },
  // There is no old server to be had: this one is made to say that it is.
  'is too old': {
    begin: async () => {
      await sqlIn(
        'app',
        `CREATE SCHEMA old AUTHORIZATION app`,
        `CREATE FUNCTION old.current_setting(name text) RETURNS text LANGUAGE sql AS
         $$ SELECT CASE name WHEN 'server_version_num' THEN '140011' WHEN 'server_version' THEN '14.11'
           ELSE pg_catalog.current_setting(name) END $$`,
      );
      return () => sqlIn('app', `DROP SCHEMA old CASCADE`);
    },
    url: () => urlOf('app', 'hunter2', 'app', '?options=-c%20search_path%3Dold,pg_catalog,public'),
    kind: 'lasting',
    line: /is version 14\.11; Posthorn needs 15 or newer/,
  },
  'has no tables': {
    url: () => postgres.url,
    use: serve,
    kind: 'passing',
    line: /no migration is applied to the database\. Run "posthorn migrate"/,
  },
  'lacks a migration': {
    url: () => migrated,
    use: () => ({ purpose: 'serve', migrations: [...migrations, '29990101000000_later'] }),
    kind: 'passing',
    line: /1 of \d+ migrations are not applied/,
  },
  'has a migration that failed': {
    begin: async () => {
      await sqlIn(
        'app',
        `INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', 'broken')`,
      );
      return () => sqlIn('app', `DELETE FROM _prisma_migrations WHERE id = 'x'`);
    },
    url: () => migrated,
    use: serve,
    kind: 'lasting',
    line: /the migration broken failed/,
  },
  'is being migrated': {
    begin: async () => {
      await sqlIn(
        'app',
        `INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', 'begun')`,
      );
      const migrating = new pg.Client(migrated);
      await migrating.connect();
      await migrating.query('SELECT pg_advisory_lock($1)', [migrationLock]);
      return async () => {
        await migrating.end();
        await sqlIn('app', `DELETE FROM _prisma_migrations WHERE id = 'x'`);
      };
    },
    url: () => migrated,
    use: serve,
    kind: 'passing',
    line: /is being migrated \(begun\)/,
  },
  'does not give a role its tables (42501)': {
    begin: async () => {
      await sql(`CREATE ROLE stranger LOGIN PASSWORD 'hunter2'`);
      return () => sql(`DROP ROLE stranger`);
    },
    url: () => urlOf('stranger', 'hunter2', 'app'),
    use: serve,
    kind: 'lasting',
    line: /the role stranger may not use the table/,
  },
  'does not let a role make tables': {
    begin: async () => {
      await sql(`CREATE ROLE stranger LOGIN PASSWORD 'hunter2'`);
      return () => sql(`DROP ROLE stranger`);
    },
    url: () => urlOf('stranger', 'hunter2', 'app'),
    use: () => ({ purpose: 'migrate' }),
    kind: 'lasting',
    line: /the role stranger may not create tables in the schema public/,
  },
  'lacks the schema': {
    url: () => urlOf('app', 'hunter2', 'app', '?options=-c%20search_path%3Dnowhere'),
    use: serve,
    kind: 'lasting',
    line: /the schema does not exist, or the role app may not use it/,
  },
};

describe('Looking at DATABASE_URL', () => {
  it.each([['connect'], ['migrate'], ['serve']] as const)(
    'finds nothing wrong where all is well, to %s',
    async (purpose) => {
      expect(await postgresProblem(migrated, { purpose, migrations })).toBeNull();
    },
  );

  it.each(['apart', 'our-own', 'Ours', 'our "own"'])(
    'finds nothing wrong with a schema that the URL names (%s), before it is migrated and after',
    async (schema) => {
      const url = urlOf('app', 'hunter2', 'app', `?schema=${encodeURIComponent(schema)}`);
      expect(await postgresProblem(url, { purpose: 'migrate' })).toBeNull();
      expect(await postgresProblem(url, serve())).toMatchObject({ kind: 'passing' });
      const logger = createLogger({ level: 'silent', role: 'test' });
      await migrateDatabase({ databaseUrl: url, migrationsDir: findMigrationsDir(), logger });
      expect(await postgresProblem(url, serve())).toBeNull();
    },
    60_000,
  );

  it.each(Object.keys(states))(
    'says in one true line that Postgres %s, and shows no password',
    async (name) => {
      const { begin, url, use, kind, line } = states[name]!;
      const end = await begin?.();
      const problem = await postgresProblem(url(), use?.()).finally(end);
      expect(problem).toEqual({ kind, line: expect.stringMatching(line) as unknown });
      expect(problem?.line).toMatch(/^DATABASE_URL: .*\.$/);
      expect(problem?.line).not.toMatch(/hunter2|\n/);
    },
    60_000,
  );
});

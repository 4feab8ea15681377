import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';

export interface TestDatabase {
  url: string;
  /** Also ends the connections that are still open. */
  drop(): Promise<void>;
}

/** A database of its own, all migrations applied: a copy of the template that the test run prepared. */
export function createTestDatabase(): Promise<TestDatabase> {
  return createFrom(required('POSTHORN_TEST_TEMPLATE'));
}

/** A database without any migration applied. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return createFrom('template0');
}

/**
 * Makes the template that test databases are copied from, once per state of the migrations folder, however many runs
 * share the server; returns its name.
 */
export async function prepareTemplate(
  serverUrl: string,
  migrationsDir: string,
  migrate: (databaseUrl: string, migrationsDir: string) => Promise<unknown>,
): Promise<string> {
  const template = `posthorn_template_${hashOf(migrationsDir)}`;
  const unfinished = `${template}_unfinished`;
  await onServer(serverUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
    await dropForgotten(client);
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [template]);
    if (rowCount !== 0) return;
    await client.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${unfinished}`);
    await migrate(withDatabase(serverUrl, unfinished), migrationsDir);
    await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${template}`);
  });
  return template;
}

const templateLock = 7_305_001;
const forgottenAfterSeconds = 6 * 60 * 60;

async function createFrom(template: string): Promise<TestDatabase> {
  const serverUrl = required('POSTHORN_TEST_DATABASE_URL');
  // The name tells its age, so that a later run can remove what a killed one left on a server that is kept.
  const name = `posthorn_test_${Math.floor(Date.now() / 1000)}_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  return {
    url: withDatabase(serverUrl, name),
    drop: () => onServer(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

/** The server of the test run, as a superuser, for what a database of its own is not enough. */
export function testServerUrl(): string {
  return required('POSTHORN_TEST_DATABASE_URL');
}

/** One after another, on a connection of its own. */
export function runSql(url: string, ...statements: readonly string[]): Promise<void> {
  return onServer(url, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

function hashOf(migrationsDir: string): string {
  const hash = createHash('sha256');
  const files = readdirSync(migrationsDir, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.sql'),
  );
  for (const file of files.sort()) hash.update(file).update(readFileSync(path.join(migrationsDir, file)));
  return hash.digest('hex').slice(0, 16);
}

async function dropForgotten(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    `SELECT datname FROM pg_database WHERE datname ~ '^posthorn_test_\\d+_'
       AND split_part(datname, '_', 3)::bigint < extract(epoch FROM now()) - $1`,
    [forgottenAfterSeconds],
  );
  for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
}

async function onServer(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: run this test through Jest's integration or e2e project`);
}

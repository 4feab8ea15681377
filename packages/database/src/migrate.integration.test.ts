import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmptyDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';
import pg from 'pg';
import { deployMigrations, migrationStatus, readMigrationNames } from './migrate.js';

describe('deployMigrations', () => {
  let database: TestDatabase;
  let client: pg.Client;
  let folder: string;
  beforeEach(async () => {
    database = await createEmptyDatabase();
    client = new pg.Client(database.url);
    await client.connect();
    folder = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
    write('20260101000000_one', 'CREATE TABLE one ();');
    write('20260102000000_two', 'CREATE TABLE two ();');
    writeFileSync(path.join(folder, 'migration_lock.toml'), 'provider = "postgresql"');
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await client.end();
    await database.drop();
  });

  it('applies what is missing in order of name, and nothing twice', async () => {
    expect(await deploy()).toEqual(['20260101000000_one', '20260102000000_two']);
    expect(await deploy()).toEqual([]);
    write('20260103000000_three', 'CREATE TABLE three (); CREATE TABLE four ();');
    expect(await deploy()).toEqual(['20260103000000_three']);
    expect(await tables()).toEqual(['_prisma_migrations', 'four', 'one', 'three', 'two']);
  });

  it('records each migration as prisma does', async () => {
    await deploy();
    const checksum = createHash('sha256').update('CREATE TABLE one ();').digest('hex');
    expect((await records())[0]).toMatchObject({
      migration_name: '20260101000000_one',
      checksum,
      finished_at: expect.any(Date),
      rolled_back_at: null,
      logs: null,
      applied_steps_count: 1,
    });
  });

  it('continues after migrations that were recorded by prisma', async () => {
    await deploy();
    await client.query(`DELETE FROM _prisma_migrations WHERE migration_name = '20260102000000_two'`);
    await client.query('DROP TABLE two');
    expect(await deploy()).toEqual(['20260102000000_two']);
  });

  it('lets one of several processes migrate while the others wait and find nothing to do', async () => {
    write('20260103000000_slow', 'SELECT pg_sleep(0.3);');
    const applied = await Promise.all([deploy(), deploy(), deploy()]);
    expect(applied.flat()).toHaveLength(3);
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  });

  it('builds an index concurrently although another process waits for its turn', async () => {
    write('20260103000000_index', 'CREATE TABLE big (n int);');
    write('20260104000000_index', 'CREATE INDEX CONCURRENTLY ON big (n);');
    const applied = await Promise.all([deploy(), deploy()]);
    expect(applied.flat()).toHaveLength(4);
  });

  it('stops at a failing migration, says why, and refuses to go on until that is resolved', async () => {
    write('20260103000000_bad', 'CREATE TABLE three ();\nCREATE TABLE one ();');
    write('20260104000000_after', 'CREATE TABLE after ();');
    await expect(deploy()).rejects.toMatchObject({
      code: 'P3018',
      message: expect.stringMatching(/20260103000000_bad .*42P07 relation "one" already exists/),
    });
    expect(await tables()).toEqual(['_prisma_migrations', 'one', 'two']);
    expect((await records()).at(-1)).toMatchObject({
      migration_name: '20260103000000_bad',
      finished_at: null,
      applied_steps_count: 0,
      logs: expect.stringContaining('already exists'),
    });
    await expect(deploy()).rejects.toMatchObject({
      code: 'P3009',
      message: expect.stringContaining('20260103000000_bad'),
    });

    await client.query('UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL');
    write('20260103000000_bad', 'CREATE TABLE three ();');
    expect(await deploy()).toEqual(['20260103000000_bad', '20260104000000_after']);
  });

  it('records the failure of a migration that had opened a transaction of its own', async () => {
    write('20260103000000_bad', 'BEGIN; CREATE TABLE three (); SELECT 1 / 0; COMMIT;');
    await expect(deploy()).rejects.toMatchObject({ code: 'P3018' });
    expect((await records()).at(-1)).toMatchObject({ logs: expect.stringContaining('division by zero') });
    expect(await tables()).not.toContain('three');
  });

  it('names the line of a syntax error', async () => {
    write('20260103000000_bad', 'SELECT 1;\nSELECT 2;\nSELEKT 3;');
    await expect(deploy()).rejects.toThrow(/syntax error .*\(line 3\)/);
  });

  it('undoes the session settings of one migration before the next', async () => {
    write('20260103000000_path', `CREATE SCHEMA other; SET search_path = other; SET lock_timeout = 1;`);
    write('20260104000000_after', 'CREATE TABLE after ();');
    await deploy();
    expect(await tables()).toContain('after');
  });

  it('warns when a migration was edited after it was applied, but not about line ends', async () => {
    write('20260103000000_lines', 'CREATE TABLE three ();\nCREATE TABLE four ();\n');
    await deploy();
    write('20260101000000_one', 'CREATE TABLE one (edited int);');
    write('20260103000000_lines', 'CREATE TABLE three ();\r\nCREATE TABLE four ();\r\n');
    const warned: object[] = [];
    const logger = {
      info: () => undefined,
      warn: (event: string, fields?: object) => void warned.push({ event, ...fields }),
    };
    expect(await deployMigrations(database.url, folder, { logger })).toEqual([]);
    expect(warned).toEqual([
      { event: 'migration.edited_after_it_was_applied', migration: '20260101000000_one' },
    ]);
  });

  it.each([
    ['a table', 'CREATE TABLE theirs ()'],
    ['a view', 'CREATE VIEW theirs AS SELECT 1'],
    ['a materialized view', 'CREATE MATERIALIZED VIEW theirs AS SELECT 1'],
    ['a partitioned table', 'CREATE TABLE theirs (n int) PARTITION BY RANGE (n)'],
    [
      'a foreign table',
      'CREATE FOREIGN DATA WRAPPER away; CREATE SERVER far FOREIGN DATA WRAPPER away; CREATE FOREIGN TABLE theirs () SERVER far',
    ],
  ])('leaves a database alone that has %s of somebody else, and names it', async (_, sql) => {
    await client.query(sql);
    await expect(deploy()).rejects.toMatchObject({
      code: 'P3005',
      message: expect.stringMatching(/schema "public" .*\(theirs\)\. Use an empty database/),
    });
    const { rowCount } = await client.query("SELECT FROM pg_class WHERE relname = '_prisma_migrations'");
    expect(rowCount).toBe(0);
  });

  it('names the first few of many tables', async () => {
    await client.query(Array.from({ length: 9 }, (_, n) => `CREATE TABLE theirs_${n} ()`).join(';'));
    await expect(deploy()).rejects.toThrow('theirs_3, theirs_4 and 4 more');
  });

  it.each([
    // As an extension's script makes them; those of the package are not installed everywhere.
    [
      'what belongs to an extension',
      'CREATE TABLE of_extension (); CREATE VIEW seen AS SELECT 1; ALTER EXTENSION plpgsql ADD TABLE of_extension; ALTER EXTENSION plpgsql ADD VIEW seen',
    ],
    ['what stands in another schema', 'CREATE SCHEMA theirs; CREATE TABLE theirs.theirs ()'],
    ['functions, types and sequences', 'CREATE TYPE mood AS ENUM (); CREATE SEQUENCE counter'],
  ])('does not count %s', async (_, sql) => {
    await client.query(sql);
    expect(await deploy()).toHaveLength(2);
  });

  it('does not count a real extension that was installed first', async () => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT name FROM pg_available_extensions WHERE name IN ('pg_stat_statements', 'pg_buffercache') ORDER BY name DESC`,
    );
    for (const { name } of rows) await client.query(`CREATE EXTENSION ${name}`);
    expect(await deploy()).toHaveLength(2);
  });

  it('makes the schema that the URL names, beside the tables of others, and migrates there', async () => {
    await client.query('CREATE TABLE theirs ()');
    const url = new URL(database.url);
    url.searchParams.set('schema', 'Post "horn');
    expect(await deployMigrations(url.href, folder)).toHaveLength(2);
    expect(await deployMigrations(url.href, folder)).toEqual([]);
    expect(await tables()).toEqual(['theirs']);
    expect(await tables('Post "horn')).toEqual(['_prisma_migrations', 'one', 'two']);
  });

  it('says what to add to the URL when the role looks for its tables elsewhere', async () => {
    await client.query('CREATE SCHEMA own');
    const name = new URL(database.url).pathname.slice(1);
    await client.query(`ALTER DATABASE ${name} SET search_path = own`);
    await expect(deploy()).rejects.toThrow(/P1003: .*add \?schema=own to DATABASE_URL/);
    await client.query(`ALTER DATABASE ${name} SET search_path = nothing`);
    await expect(deploy()).rejects.toThrow(/P1003: there is no schema "public"/);
  });

  it('switches JIT off for the role in this database, and does so once', async () => {
    await deploy();
    const settings = async () =>
      (
        await client.query<{ setconfig: string[] }>(
          `SELECT setconfig FROM pg_db_role_setting
            WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND setrole = session_user::regrole`,
        )
      ).rows.map(({ setconfig }) => setconfig);
    expect(await settings()).toEqual([['jit=off']]);
    await deploy();
    expect(await settings()).toEqual([['jit=off']]);
  });

  it('refuses a migration folder without its file before it changes anything', async () => {
    mkdirSync(path.join(folder, '20260105000000_empty'));
    await expect(deploy()).rejects.toMatchObject({ code: 'P3015' });
    expect(await tables()).toEqual([]);
  });

  it('reports what is pending, failed and unknown', async () => {
    const all = ['20260101000000_one', '20260102000000_two'];
    expect(await migrationStatus(client, await readMigrationNames(folder))).toEqual({
      pending: all,
      running: [],
      failed: [],
      unknown: [],
    });
    await deploy();
    expect(await migrationStatus(client, await readMigrationNames(folder))).toEqual({
      pending: [],
      running: [],
      failed: [],
      unknown: [],
    });
    write('20260103000000_bad', 'SELECT 1 / 0');
    await deploy().catch(() => undefined);
    rmSync(path.join(folder, '20260101000000_one'), { recursive: true });
    expect(await migrationStatus(client, await readMigrationNames(folder))).toEqual({
      pending: ['20260103000000_bad'],
      running: [],
      failed: ['20260103000000_bad'],
      unknown: ['20260101000000_one'],
    });
  });

  it('tells what is being applied from what has failed', async () => {
    write('20260103000000_long', 'SELECT pg_advisory_xact_lock(1)');
    const names = await readMigrationNames(folder);
    await client.query('SELECT pg_advisory_lock(1)');
    const deploying = deploy();
    await waitUntil(async () => (await migrationStatus(client, names)).running[0] === '20260103000000_long');
    expect(await migrationStatus(client, names)).toEqual({
      pending: ['20260103000000_long'],
      running: ['20260103000000_long'],
      failed: [],
      unknown: [],
    });
    await client.query('SELECT pg_advisory_unlock(1)');
    await deploying;
    expect(await migrationStatus(client, names)).toMatchObject({ pending: [], running: [] });
  });

  const deploy = () => deployMigrations(database.url, folder);

  function write(name: string, sql: string): void {
    mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, name, 'migration.sql'), sql);
  }

  async function tables(schema = 'public'): Promise<string[]> {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = quote_ident($1)::regnamespace AND relkind = 'r' ORDER BY 1`,
      [schema],
    );
    return rows.map(({ name }) => name);
  }

  async function records(): Promise<unknown[]> {
    return (await client.query('SELECT * FROM _prisma_migrations ORDER BY started_at')).rows as unknown[];
  }
});

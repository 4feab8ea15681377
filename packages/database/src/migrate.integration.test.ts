import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmptyDatabase, type TestDatabase } from '@posthorn/testing';
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

  it("leaves somebody else's database alone", async () => {
    await client.query('CREATE TABLE theirs ()');
    await expect(deploy()).rejects.toMatchObject({ code: 'P3005' });
    expect(await tables()).toEqual(['theirs']);
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
      failed: [],
      unknown: [],
    });
    await deploy();
    expect(await migrationStatus(client, await readMigrationNames(folder))).toEqual({
      pending: [],
      failed: [],
      unknown: [],
    });
    write('20260103000000_bad', 'SELECT 1 / 0');
    await deploy().catch(() => undefined);
    rmSync(path.join(folder, '20260101000000_one'), { recursive: true });
    expect(await migrationStatus(client, await readMigrationNames(folder))).toEqual({
      pending: ['20260103000000_bad'],
      failed: ['20260103000000_bad'],
      unknown: ['20260101000000_one'],
    });
  });

  const deploy = () => deployMigrations(database.url, folder);

  function write(name: string, sql: string): void {
    mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, name, 'migration.sql'), sql);
  }

  async function tables(): Promise<string[]> {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  }

  async function records(): Promise<unknown[]> {
    return (await client.query('SELECT * FROM _prisma_migrations ORDER BY started_at')).rows as unknown[];
  }
});

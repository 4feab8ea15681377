import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createEmptyDatabase, createTestDatabase, prepareTemplate } from './test-database.js';

const serverUrl = process.env['POSTHORN_TEST_DATABASE_URL']!;

describe('createTestDatabase', () => {
  it('gives every caller a migrated database of its own', async () => {
    const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    expect(await rows(one.url, 'SELECT migration_name FROM _prisma_migrations')).not.toEqual([]);
    await rows(one.url, 'CREATE TABLE only_here ()');
    expect(await rows(two.url, `SELECT to_regclass('only_here') AS found`)).toEqual([{ found: null }]);
    await Promise.all([one.drop(), two.drop()]);
  });

  it('drops a database that is still connected to', async () => {
    const database = await createTestDatabase();
    const client = new pg.Client(database.url);
    const cut = new Promise((resolve) => client.on('error', resolve));
    await client.connect();
    await database.drop();
    await cut;
    await expect(rows(database.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  });
});

describe('createEmptyDatabase', () => {
  it('holds nothing of ours', async () => {
    const database = await createEmptyDatabase();
    const tables = `SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`;
    expect(await rows(database.url, tables)).toEqual([]);
    await database.drop();
  });
});

describe('prepareTemplate', () => {
  let folder: string;
  const made = new Set<string>();
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
    addMigration(folder, '1_first', `SELECT '${folder}'`);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    for (const name of made) await rows(serverUrl, `DROP DATABASE ${name}`);
  });

  it('migrates one template per state of the folder, however many runs ask at once', async () => {
    const migrated: string[] = [];
    const migrate = async (url: string) => void migrated.push(url);
    const names = await Promise.all([1, 2, 3].map(() => prepareTemplate(serverUrl, folder, migrate)));
    expect([new Set(names).size, migrated.length]).toEqual([1, 1]);

    const changed = `${folder}-changed`;
    cpSync(folder, changed, { recursive: true });
    addMigration(changed, '2_second', 'SELECT 2');
    const next = await prepareTemplate(serverUrl, changed, migrate);
    rmSync(changed, { recursive: true });
    expect([next === names[0], migrated.length]).toEqual([false, 2]);
    made.add(names[0]!).add(next);
  });

  it('leaves no template behind when a migration fails', async () => {
    const broken = () => Promise.reject(new Error('broken migration'));
    addMigration(folder, '3_broken', 'SELECT 3');
    await expect(prepareTemplate(serverUrl, folder, broken)).rejects.toThrow('broken migration');
    const name = await prepareTemplate(serverUrl, folder, (url) => rows(url, 'CREATE TABLE migrated ()'));
    made.add(name);
    const url = new URL(serverUrl);
    url.pathname = name;
    expect(await rows(url.href, `SELECT to_regclass('migrated') AS found`)).toEqual([{ found: 'migrated' }]);
  });

  it('removes test databases that a killed run left on the server hours ago', async () => {
    const [old, recent] = [`posthorn_test_1_abc`, `posthorn_test_${Math.floor(Date.now() / 1000)}_abc`];
    for (const name of [old, recent]) await rows(serverUrl, `CREATE DATABASE ${name}`);
    made.add(await prepareTemplate(serverUrl, folder, async () => undefined)).add(recent);
    const left = await rows(
      serverUrl,
      `SELECT datname FROM pg_database WHERE datname IN ('${old}', '${recent}')`,
    );
    expect(left).toEqual([{ datname: recent }]);
  });
});

function addMigration(folder: string, name: string, sql: string): void {
  mkdirSync(path.join(folder, name));
  writeFileSync(path.join(folder, name, 'migration.sql'), sql);
}

async function rows(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

import { spawn } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startChildScript, waitUntil } from '@posthorn/testing';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
import { processStartedAt } from './live-process.js';

describe('startEmbeddedPostgres', () => {
  let dataDir: string;
  const cleanUps: (() => Promise<unknown>)[] = [];
  beforeEach(() => {
    // Below a folder that only its owner may enter: as root, the server's user cannot walk down to its data.
    const locked = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
    dataDir = path.join(locked, 'postgres');
    cleanUps.push(async () => rmSync(locked, { recursive: true }));
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  it('keeps its rows, its password and its url on a given port between starts', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(processStartedAt(first.pid)).toBeNull();

    const second = await start({ port: first.port });
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(second.url).toBe(first.url);
  });

  it('writes durably and is reachable with its password over loopback only', async () => {
    const { url } = await start();
    const settings = `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
      current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets`;
    expect(await query(url, settings)).toEqual([
      { fsync: 'on', commit: 'on', addresses: '127.0.0.1', sockets: '' },
    ]);

    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(statSync(path.join(dataDir, 'password')).mode & 0o777).toBe(0o600);
  });

  it('refuses a folder that another living process uses, and leaves that one its server', async () => {
    const { url } = await start();
    await expect(start()).rejects.toThrow(`in use by process ${process.pid}`);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('takes over the data of a server that outlived its killed parent', async () => {
    const { script, server } = await startInChild({ dataDir, stopWithParent: false });
    await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await script.kill('SIGKILL');
    expect(processStartedAt(server.pid)).not.toBeNull();

    const { url, pid } = await start();
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect([processStartedAt(server.pid), pid === server.pid]).toEqual([null, false]);
  });

  it('stops with its parent, even a killed one, and then removes a temporary folder', async () => {
    const { script, server } = await startInChild({});
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('posthorn-postgres-'));
    const folder = folders().find((name) => holds(path.join(tmpdir(), name), server.url))!;
    expect(folder).toBeDefined();
    await script.kill('SIGKILL');
    await waitUntil(() => processStartedAt(server.pid) === null && !folders().includes(folder));
  });

  it('starts although the pid file names a living process that is not a Postgres on this folder', async () => {
    await (await start()).stop();
    const data = path.join(dataDir, 'data');
    const { uid, gid } = statSync(data);
    const stranger = spawn('sleep', ['600'], { cwd: data, uid, gid, stdio: 'ignore' });
    cleanUps.push(async () => stranger.kill());
    const pidFile = `${stranger.pid}\n${data}\n1700000000\n5432\n\n127.0.0.1\n        1         1\nready   \n`;
    writeFileSync(path.join(data, 'postmaster.pid'), pidFile, { mode: 0o600 });
    chownSync(path.join(data, 'postmaster.pid'), uid, gid);

    const { url } = await start();
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it('starts again after the server was killed', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(first.pid, 'SIGKILL');
    await first.stop();
    const second = await start({ port: first.port });
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('is not tripped up by a cluster that was only half made', async () => {
    mkdirSync(path.join(dataDir, 'data.unfinished', 'base'), { recursive: true });
    expect(await query((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(existsSync(path.join(dataDir, 'data.unfinished'))).toBe(false);
  });

  it('says why it cannot start, and gives the folder back', async () => {
    const taken = await startEmbeddedPostgres();
    cleanUps.push(taken.stop);
    await expect(start({ port: taken.port })).rejects.toThrow(
      /stopped while starting.*Address already in use/s,
    );
    await expect(start()).resolves.toBeDefined();
  });

  it('does not make a new password for data that has lost its own', async () => {
    await (await start()).stop();
    rmSync(path.join(dataDir, 'password'));
    await expect(start()).rejects.toThrow('password is missing');
  });

  async function start(options: EmbeddedPostgresOptions = {}) {
    const server = await startEmbeddedPostgres({ dataDir, ...options });
    cleanUps.push(server.stop);
    return server;
  }

  async function startInChild(options: EmbeddedPostgresOptions) {
    const script = startChildScript(`
      import { startEmbeddedPostgres } from '${new URL('./index.ts', import.meta.url).href}';
      const { url, pid } = await startEmbeddedPostgres(${JSON.stringify(options)});
      console.log(JSON.stringify({ url, pid }));
      setInterval(() => undefined, 1_000);
    `);
    cleanUps.push(() => script.kill('SIGKILL'));
    return { script, server: JSON.parse(await script.nextLine()) as { url: string; pid: number } };
  }
});

function holds(folder: string, url: string): boolean {
  const password = path.join(folder, 'password');
  return existsSync(password) && readFileSync(password, 'utf8').trim() === new URL(url).password;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

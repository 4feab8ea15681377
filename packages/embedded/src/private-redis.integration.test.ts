import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startChildScript, waitUntil } from '@posthorn/testing';
import { processStartedAt } from './live-process.js';
import { startPrivateRedis, type PrivateRedisOptions } from './private-redis.js';

describe('startPrivateRedis', () => {
  let dataDir: string;
  const cleanUps: (() => Promise<unknown>)[] = [];
  beforeEach(() => {
    // Below a folder that only its owner may enter: as root, the server's user cannot walk down to its data.
    const locked = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
    dataDir = path.join(locked, 'redis');
    cleanUps.push(async () => rmSync(locked, { recursive: true }));
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  it('keeps its data and its url on a given port between starts when persistent', async () => {
    const first = await start({ persistent: true });
    await send(first.url, 'SET kept 42');
    await first.stop();
    expect(processStartedAt(first.pid)).toBeNull();

    const second = await start({ persistent: true, port: first.port });
    expect(await send(second.url, 'GET kept')).toBe('$2\r\n42\r\n');
    expect(second.url).toBe(first.url);
  });

  it('forgets everything when not persistent', async () => {
    const first = await start();
    await send(first.url, 'SET forgotten 42');
    await first.stop();
    expect(await send((await start()).url, 'DBSIZE')).toBe(':0\r\n');
  });

  it('is reachable with its password over loopback only and refuses writes rather than evict', async () => {
    const { url, port } = await start();
    expect(await send(`redis://:wrong@127.0.0.1:${port}`, 'PING')).toContain('-NOAUTH');
    expect(await send(url, 'CONFIG GET bind')).toContain('\r\n127.0.0.1\r\n');
    expect(await send(url, 'CONFIG GET maxmemory-policy')).toContain('noeviction');
    expect(statSync(path.join(dataDir, 'password')).mode & 0o777).toBe(0o600);
  });

  it('refuses a folder that another living process uses, and leaves that one its server', async () => {
    const { url } = await start();
    await expect(start()).rejects.toThrow(`in use by process ${process.pid}`);
    expect(await send(url, 'PING')).toBe('+PONG\r\n');
  });

  it('takes over the data of a server that outlived its killed parent', async () => {
    const { script, server } = await startInChild({ dataDir, persistent: true, stopWithParent: false });
    await send(server.url, 'SET kept 42');
    await script.kill('SIGKILL');
    expect(processStartedAt(server.pid)).not.toBeNull();

    const { url, pid } = await start({ persistent: true });
    expect(await send(url, 'GET kept')).toBe('$2\r\n42\r\n');
    expect([processStartedAt(server.pid), pid === server.pid]).toEqual([null, false]);
  });

  it('stops with its parent, even a killed one', async () => {
    const { script, server } = await startInChild({ dataDir });
    await script.kill('SIGKILL');
    await waitUntil(() => processStartedAt(server.pid) === null);
  });

  it('says why it cannot start, and gives the folder back', async () => {
    const taken = await startPrivateRedis();
    cleanUps.push(taken.stop);
    await expect(start({ port: taken.port })).rejects.toThrow(
      /stopped while starting.*Address already in use/s,
    );
    await expect(start()).resolves.toBeDefined();
  });

  async function start(options: PrivateRedisOptions = {}) {
    const server = await startPrivateRedis({ dataDir, ...options });
    cleanUps.push(server.stop);
    return server;
  }

  async function startInChild(options: PrivateRedisOptions) {
    const script = startChildScript(`
      import { startPrivateRedis } from '${new URL('./index.ts', import.meta.url).href}';
      const { url, pid } = await startPrivateRedis(${JSON.stringify(options)});
      console.log(JSON.stringify({ url, pid }));
      setInterval(() => undefined, 1_000);
    `);
    cleanUps.push(() => script.kill('SIGKILL'));
    return { script, server: JSON.parse(await script.nextLine()) as { url: string; pid: number } };
  }
});

/** The raw reply to one inline command, after authenticating. */
function send(url: string, command: string): Promise<string> {
  const { port, password } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let reply = '';
    socket.setEncoding('utf8').on('data', (text: string) => (reply += text));
    socket.once('error', reject);
    socket.once('close', () => resolve(reply.replace(/^[+-].*\r\n/, '').replace(/\+OK\r\n$/, '')));
    socket.write(`AUTH ${password}\r\n${command}\r\nQUIT\r\n`);
  });
}

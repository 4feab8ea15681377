import { waitUntil } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { processesOf, startDev, untilRunning } from './support/start-dev.js';

let folder: string;
let dataDir: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-dev-'));
  dataDir = path.join(folder, 'data');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (env: Record<string, string> = {}) => startDev(folder, dataDir, env);

describe('posthorn dev', () => {
  it('brings everything up, shows a verified demo delivery, keeps its data over a SIGKILL, and leaves nothing behind', async () => {
    const first = start();
    await untilRunning(first);
    expect(first.line('Demo delivery')).toMatch(
      /^delivered in \d+ ms, attempt 1, HTTP 200, signature valid$/,
    );
    expect(first.output()).not.toMatch(/warning|deprecat/i);
    const origin = first.line('Base URL');
    const headers = {
      authorization: `Bearer ${first.line('Admin key')}`,
      'content-type': 'application/json',
    };
    expect((await fetch(first.line('Docs'))).status).toBe(200);
    const made = await fetch(`${origin}/v1/customers/kept`, {
      method: 'PUT',
      headers,
      body: '{"name":"Kept"}',
    });
    expect(made.status).toBe(201);
    expect(first.line('Data')).toContain(dataDir);

    first.process.kill('SIGKILL');
    await first.exit;

    const second = start();
    await untilRunning(second);
    expect(second.line('Admin key')).toBe(first.line('Admin key'));
    expect(second.line('Demo delivery')).toMatch(/^delivered/);
    const kept = await fetch(`${second.line('Base URL')}/v1/customers/kept`, { headers });
    expect(await kept.json()).toMatchObject({ id: 'kept', name: 'Kept' });

    second.process.kill('SIGINT');
    expect(await second.exit).toBe(0);
    await waitUntil(() => processesOf(folder).length === 0, { timeoutMs: 10_000 });
  }, 240_000);

  it('says in one line that its port is taken, exits with 1 and starts nothing', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const unused = path.join(folder, 'unused');
    const dev = start({ POSTHORN_PORT: String(port), POSTHORN_DATA_DIR: unused });
    expect(await dev.exit).toBe(1);
    expect(dev.output().trim().split('\n')).toHaveLength(1);
    expect(dev.output()).toContain(String(port));
    expect(existsSync(unused)).toBe(false);
    server.close();
  }, 240_000);

  it.each([
    [{ POSTHORN_PORT: 'eighty' }, 'POSTHORN_PORT'],
    [{ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }, 'DATABASE_URL'],
    [{ REDIS_URL: 'redis://127.0.0.1:1' }, 'REDIS_URL'],
    [{ POSTHORN_ALLOW_TARGETS: '10.0.0.0/99' }, 'POSTHORN_ALLOW_TARGETS'],
  ])(
    'names the variable that cannot be used and exits with 1: %j',
    async (env, name) => {
      const dev = start({ POSTHORN_START_WAIT_SECONDS: '0', ...env });
      expect(await dev.exit).toBe(1);
      expect(dev.output()).toContain(name);
      expect(dev.output()).not.toMatch(/\n\s+at /);
    },
    30_000,
  );
});

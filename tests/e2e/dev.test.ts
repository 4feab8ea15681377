import { waitUntil } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

const MAIN = path.resolve(import.meta.dirname, '../../apps/cli/dist/main.js');

let folder: string;
let dataDir: string;

interface Dev {
  process: ChildProcess;
  output(): string;
  /** What the summary says behind a name. */
  line(name: string): string;
  exit: Promise<number | null>;
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-dev-'));
  dataDir = path.join(folder, 'data');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function startDev(env: Record<string, string> = {}): Dev {
  const child = spawn(process.execPath, [MAIN, 'dev'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, POSTHORN_PORT: '0', POSTHORN_DATA_DIR: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    process: child,
    output: () => output,
    line: (name) => new RegExp(`^ *${name} +(.+)$`, 'm').exec(output)?.[1] ?? '',
    exit: new Promise((resolve) => child.once('exit', (code) => resolve(code))),
  };
}

async function untilRunning(dev: Dev): Promise<void> {
  await waitUntil(
    () => {
      if (dev.process.exitCode !== null) throw new Error(dev.output());
      return dev.line('Demo delivery') !== '';
    },
    { timeoutMs: 60_000 },
  );
}

/** Processes that were started in or with the data folder, other than Jest's own. */
function processesOf(where: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`).startsWith(where) ||
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(where)
        );
      } catch {
        return false;
      }
    });
}

describe('posthorn dev', () => {
  it('brings everything up, shows a verified demo delivery, keeps its data over a SIGKILL, and leaves nothing behind', async () => {
    const first = startDev();
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

    const second = startDev();
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
    const dev = startDev({ POSTHORN_PORT: String(port), POSTHORN_DATA_DIR: unused });
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
      const dev = startDev(env);
      expect(await dev.exit).toBe(1);
      expect(dev.output()).toContain(name);
      expect(dev.output()).not.toMatch(/\n\s+at /);
    },
    30_000,
  );
});

import { findFreePort, startBreakablePostgres, startPrivateRedis, waitUntil } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { prepareDatabase } from './support/start-posthorn.js';

const MAIN = path.resolve(import.meta.dirname, '../../apps/cli/dist/main.js');

let folder: string;
let postgres: Awaited<ReturnType<typeof startBreakablePostgres>>;
let redis: Awaited<ReturnType<typeof startPrivateRedis>>;
const running: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-starting-'));
  postgres = await startBreakablePostgres();
  redis = await startPrivateRedis({ dataDir: path.join(folder, 'redis') });
  await prepareDatabase(postgres.url);
}, 300_000);
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await Promise.all([redis.stop(), postgres.close()]);
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  process: ChildProcess;
  output(): string;
  errors(): string;
  /** The lines of the log with this name. */
  logged(event: string): Record<string, unknown>[];
  exit: Promise<number | null>;
}

function run(args: string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      POSTHORN_HOST: '127.0.0.1',
      POSTHORN_PORT: '0',
      POSTHORN_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return {
    process: child,
    output: () => output,
    errors: () => errors,
    logged: (event) =>
      output
        .split('\n')
        .filter((line) => line.includes(`"msg":"${event}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    exit: new Promise((resolve) => child.once('exit', resolve)),
  };
}

async function untilLogged(started: Run, event: string): Promise<void> {
  await waitUntil(
    () => {
      if (started.process.exitCode !== null) throw new Error(started.output() + started.errors());
      return started.logged(event).length > 0;
    },
    { timeoutMs: 60_000, what: event },
  );
}

/** Nothing of a program's inside: one line for each problem. */
function expectPlain(text: string, lines: number): void {
  expect(text.trim().split('\n')).toHaveLength(lines);
  expect(text).not.toMatch(/\n\s+at |hunter2/);
}

describe('a role that is started', () => {
  it('while Postgres recovers waits for it, saying so once, and starts when it is ready', async () => {
    await postgres.start('recovering');
    const started = run(['serve']);
    await untilLogged(started, 'service.waiting');
    await postgres.start();
    await untilLogged(started, 'posthorn.started');
    expect(started.logged('service.waiting').map(({ problem }) => problem)).toEqual([
      expect.stringContaining('starting, recovering or stopping'),
    ]);
    started.process.kill('SIGTERM');
    expect(await started.exit).toBe(0);
    expectPlain(`x${started.errors()}`, 1);
  }, 120_000);

  it('before anything listens waits as long as it is told, then ends with 1 and one line', async () => {
    const started = run(['serve'], {
      DATABASE_URL: `postgresql://user:hunter2@127.0.0.1:${await findFreePort()}/posthorn`,
      POSTHORN_START_WAIT_SECONDS: '1',
    });
    expect(await started.exit).toBe(1);
    expect(started.logged('service.waiting')).toHaveLength(1);
    expect(started.errors()).toMatch(
      /^DATABASE_URL: nothing listens at .* \(waited 1 s, POSTHORN_START_WAIT_SECONDS\)\n$/,
    );
    expectPlain(started.errors(), 1);
    expect(started.output()).not.toContain('hunter2');
  }, 60_000);

  it('with a wrong password does not wait', async () => {
    const url = new URL(postgres.url);
    url.password = 'hunter2';
    const started = run(['serve'], { DATABASE_URL: url.href, POSTHORN_START_WAIT_SECONDS: '600' });
    expect(await started.exit).toBe(1);
    expect(started.logged('service.waiting')).toEqual([]);
    expect(started.errors()).toMatch(/^DATABASE_URL: .* refuses the user or the password/);
    expectPlain(started.errors(), 1);
  }, 60_000);

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'and told to stop (%s) while it waits ends with 0 and no stack trace',
    async (signal) => {
      const started = run(['serve', 'worker'], { REDIS_URL: 'redis://:hunter2@127.0.0.1:1' });
      await untilLogged(started, 'service.waiting');
      started.process.kill(signal);
      expect(await started.exit).toBe(0);
      expect(started.errors()).toBe('');
      expect(started.output()).not.toMatch(/stack|hunter2/);
      expect(started.logged('posthorn.stopped')).toHaveLength(1);
    },
    60_000,
  );

  it('without Redis waits for it as a worker', async () => {
    const port = redis.port;
    await redis.stop();
    const started = run(['serve', 'worker']);
    await untilLogged(started, 'service.waiting');
    redis = await startPrivateRedis({ dataDir: path.join(folder, 'redis'), port });
    await untilLogged(started, 'posthorn.started');
  }, 60_000);

  it('before the database is migrated waits until it is', async () => {
    const url = new URL(postgres.url);
    // Every server has it, and nothing is in it.
    url.pathname = '/postgres';
    const env = { DATABASE_URL: url.href };
    const started = run(['serve'], env);
    await untilLogged(started, 'service.waiting');
    expect(started.logged('service.waiting')[0]?.['problem']).toMatch(/Run "posthorn migrate"/);
    expect(await run(['migrate'], env).exit).toBe(0);
    await untilLogged(started, 'posthorn.started');
  }, 120_000);
});

describe('migrate', () => {
  it('waits for a Postgres that recovers, and says so', async () => {
    await postgres.start('recovering');
    const migrating = run(['migrate']);
    await waitUntil(() => migrating.errors().includes('Waiting for up to'), { timeoutMs: 30_000 });
    await postgres.start();
    expect(await migrating.exit).toBe(0);
    expectPlain(migrating.errors(), 1);
  }, 120_000);
});

describe('a command that talks to a Posthorn which is away', () => {
  it.each([
    [['keys', 'list'], 'http://127.0.0.1:1', /^Nothing listens at http:\/\/127\.0\.0\.1:1: /],
    [
      ['deliveries', 'list'],
      'http://no-such-host.invalid',
      /^The host of http:\/\/no-such-host\.invalid cannot be found/,
    ],
    [
      ['events', 'send', 'invoice.paid', '--customer', 'acme'],
      'http://127.0.0.1:1',
      /^Nothing listens at http:\/\/127\.0\.0\.1:1: /,
    ],
  ])(
    'says so in one line: %j',
    async (args, url, line) => {
      const command = run([...args, '--url', url, '--key', `phk_${'a'.repeat(43)}`]);
      expect(await command.exit).toBe(1);
      expect(command.errors()).toMatch(line);
      expectPlain(command.errors(), 1);
    },
    60_000,
  );
});

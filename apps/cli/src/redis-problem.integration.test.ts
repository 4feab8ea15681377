import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { findFreePort, startPrivateRedis, waitUntil } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import { redisProblem } from './redis-problem.js';

const prefix = '{ph:0}';
let folder: string;
let servers = 0;
const endings: (() => unknown)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-redis-states-'));
});
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A server of its own; its URL. */
async function startRedis(settings: readonly string[] = [], dataDir = newDataDir()): Promise<string> {
  const redis = await startPrivateRedis({ dataDir, settings });
  endings.push(() => redis.stop());
  return redis.url;
}

function newDataDir(): string {
  servers += 1;
  return path.join(folder, String(servers));
}

/** On a connection that stays until the test is over. */
function connected(url: string): Redis {
  const redis = new Redis(url, { enableReadyCheck: false, retryStrategy: () => null });
  redis.on('error', () => undefined);
  endings.push(() => redis.disconnect());
  return redis;
}

async function told(url: string, ...commands: string[][]): Promise<string> {
  const redis = connected(url);
  for (const [name = '', ...args] of commands) await redis.call(name, ...args);
  return url;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endings.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function withPassword(url: string, password: string, user = ''): string {
  const changed = new URL(url);
  [changed.username, changed.password] = [user, password];
  return changed.href;
}

function withoutPassword(url: string): string {
  return withPassword(url, '');
}

interface Row {
  url: () => Promise<string> | string;
  kind: 'passing' | 'lasting';
  line: RegExp;
}

const states: Record<string, Row> = {
  'is not listened for': {
    url: () => 'redis://:hunter2@127.0.0.1:1',
    kind: 'passing',
    line: /nothing listens at 127\.0\.0\.1:1\. Start Redis/,
  },
  'has a name that is nowhere': {
    url: () => 'redis://:hunter2@no-such-host.invalid',
    kind: 'passing',
    line: /no-such-host\.invalid cannot be found/,
  },
  'never answers': {
    url: async () => `redis://:hunter2@${await listening(createServer(() => undefined))}`,
    kind: 'passing',
    line: /no Redis answers/,
  },
  'is a web server': {
    url: async () => `redis://:hunter2@${await listening(createHttpServer())}`,
    kind: 'lasting',
    line: /does not speak Redis in the clear/,
  },
  'wants TLS': {
    url: async () => `redis://:hunter2@${await listening(createTlsServer({}))}`,
    kind: 'passing',
    line: /closes the connection without an answer.*whether it requires TLS/,
  },
  'does not speak TLS': {
    url: async () => (await startRedis()).replace('redis:', 'rediss:'),
    kind: 'passing',
    line: /no Redis answers .* whether both sides use TLS/,
  },
  'wants a password (NOAUTH)': {
    url: async () => withoutPassword(await startRedis()),
    kind: 'lasting',
    line: /wants a password and REDIS_URL has none/,
  },
  'refuses the password (WRONGPASS)': {
    url: async () => withPassword(await startRedis(), 'hunter2'),
    kind: 'lasting',
    line: /refuses the user or the password/,
  },
  'does not let the user write (NOPERM)': {
    url: async () => {
      const url = await told(await startRedis(), [
        'ACL',
        'SETUSER',
        'reader',
        'on',
        '>hunter2',
        '~*',
        '+ping',
        '+info',
      ]);
      return withPassword(url, 'hunter2', 'reader');
    },
    kind: 'lasting',
    line: /does not allow the user of REDIS_URL/,
  },
  'has no such database': {
    url: async () => `${await startRedis()}/99`,
    kind: 'lasting',
    line: /DB index is out of range/,
  },
  'loads its data (LOADING)': {
    url: async () => {
      const [dataDir, port] = [newDataDir(), await findFreePort()];
      const data = ['appendonly yes', 'aof-use-rdb-preamble no'];
      const first = await startPrivateRedis({ dataDir, settings: data });
      const redis = connected(first.url);
      for (let n = 0; n < 8_000; n += 1) void redis.set(`key-${n}`, 'x');
      await redis.ping();
      await first.stop();
      const slowly = ['key-load-delay 1000', 'loading-process-events-interval-bytes 1024'];
      const stopping = new AbortController();
      const { signal } = stopping;
      const starting = startPrivateRedis({ dataDir, port, settings: [...data, ...slowly], signal });
      endings.push(async () => {
        stopping.abort();
        await starting.catch(() => undefined);
      });
      const password = (await readFile(path.join(dataDir, 'password'), 'utf8')).trim();
      const url = `redis://:${password}@127.0.0.1:${port}`;
      await waitUntil(async () => !/nothing listens/.test((await redisProblem(url))?.line ?? ''));
      return url;
    },
    kind: 'passing',
    line: /is loading its data/,
  },
  'is a replica (READONLY)': {
    url: async () => told(await startRedis(), ['REPLICAOF', '127.0.0.1', '1']),
    kind: 'passing',
    line: /is a replica, which takes no writes/,
  },
  'is a replica without its master (MASTERDOWN)': {
    url: async () => told(await startRedis(['replica-serve-stale-data no']), ['REPLICAOF', '127.0.0.1', '1']),
    kind: 'passing',
    line: /is a replica/,
  },
  'cannot save (MISCONF)': {
    url: async () => {
      const dataDir = newDataDir();
      const url = await startRedis([], dataDir);
      const redis = connected(url);
      await redis.call('CONFIG', 'SET', 'save', '3600 1');
      await chmod(path.join(dataDir, 'data'), 0o500);
      endings.push(() => chmod(path.join(dataDir, 'data'), 0o700));
      await redis.set('key', 'x');
      await redis.bgsave();
      await waitUntil(async () => (await redis.info('persistence')).includes('rdb_last_bgsave_status:err'));
      return url;
    },
    kind: 'passing',
    line: /cannot save its data and refuses writes/,
  },
  'is out of memory (OOM)': {
    url: async () => told(await startRedis(), ['CONFIG', 'SET', 'maxmemory', '1']),
    kind: 'passing',
    line: /is out of memory and refuses writes/,
  },
  'is busy with a script (BUSY)': {
    url: async () => {
      const url = await startRedis(['lua-time-limit 1']);
      const other = connected(url);
      await other.ping();
      endings.push(() => other.script('KILL'));
      connected(url)
        .eval('while true do end', 0)
        .catch(() => undefined);
      await waitUntil(async () => (await redisProblem(url)) !== null);
      return url;
    },
    kind: 'passing',
    line: /is busy with a script/,
  },
  'has no connection free': {
    url: async () => {
      const url = await startRedis();
      const redis = connected(url);
      await redis.call('CONFIG', 'SET', 'maxclients', '1');
      return url;
    },
    kind: 'passing',
    line: /has no connection free: .*maxclients|closes the connection/,
  },
  'misses its replicas (NOREPLICAS)': {
    url: () => startRedis(['min-replicas-to-write 1']),
    kind: 'passing',
    line: /has fewer replicas than min-replicas-to-write/,
  },
  'is a cluster that is down': {
    url: () => startRedis(['cluster-enabled yes', 'cluster-config-file nodes-down.conf']),
    kind: 'passing',
    line: /Redis at .* is part of a cluster that is down/,
  },
  // No old one is to be had.
  'is too old': {
    url: async () => {
      const server = createServer((socket) => {
        const info = '# Server\r\nredis_version:5.0.14\r\n';
        socket
          .on('error', () => undefined)
          .on('data', (chunk) => {
            for (const [, name] of chunk.toString().matchAll(/\r\n(ping|info|auth|client|hello)\r\n/gi))
              socket.write(/info/i.test(name!) ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n');
          });
      });
      return `redis://${await listening(server)}`;
    },
    kind: 'lasting',
    line: /is version 5\.0\.14; Posthorn needs 6\.2 or newer/,
  },
};

describe('Looking at REDIS_URL', () => {
  it('finds nothing wrong with a Redis that lets us in, and leaves nothing in it', async () => {
    const url = await startRedis();
    const warnings: string[] = [];
    expect(await redisProblem(url, { prefix, onWarning: (line) => warnings.push(line) })).toBeNull();
    expect(warnings).toEqual([]);
    await waitUntil(async () => (await connected(url).dbsize()) === 0);
  });

  it('warns of one that drops keys when it is full', async () => {
    const url = await startRedis(['maxmemory 100mb', 'maxmemory-policy allkeys-lru']);
    const warnings: string[] = [];
    expect(await redisProblem(url, { prefix, onWarning: (line) => warnings.push(line) })).toBeNull();
    expect(warnings).toEqual([expect.stringContaining('maxmemory-policy allkeys-lru')]);
  });

  it.each(Object.keys(states))(
    'says in one true line that Redis %s, and shows no password',
    async (name) => {
      const { url, kind, line } = states[name]!;
      const where = await url();
      const problem = await redisProblem(where, { prefix });
      const { password } = new URL(where);
      if (password !== '') expect(problem?.line).not.toContain(password);
      expect(problem).toEqual({ kind, line: expect.stringMatching(line) as unknown });
      expect(problem?.line).toMatch(/^REDIS_URL: .*\.$/);
      expect(problem?.line).not.toMatch(/hunter2|\n/);
    },
    60_000,
  );
});

import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, createServer, type AddressInfo } from 'node:net';
import pg from 'pg';

import { openChangeFeed, type ChangeFeed } from './change-feed.js';

let database: TestDatabase;
let pool: pg.Pool;
let feed: ChangeFeed;
const changes: string[] = [];
let gaps = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => undefined);
  feed = openChangeFeed({
    databaseUrl: database.url,
    logger: createLogger({ level: 'error', role: 'test' }),
    onChange: (kind, id) => changes.push(`${kind}:${id}`),
    onGap: () => (gaps += 1),
  });
  await waitUntil(() => gaps > 0, { timeoutMs: 10_000 });
});
afterAll(async () => {
  await feed.close();
  await pool.end();
  await database.drop();
});

describe('the change feed', () => {
  it('announces a change of an endpoint, its secrets, its customer and a key, whoever makes it', async () => {
    await pool.query("INSERT INTO customer (id) VALUES ('acme')");
    const endpointId = '019a0000-0000-7000-8000-000000000001';
    await pool.query(
      "INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, 'acme', 'https://example.com', '{*}')",
      [endpointId],
    );
    await waitUntil(() => changes.includes(`endpoint:${endpointId}`) && changes.includes('customer:acme'), {
      timeoutMs: 5_000,
    });

    changes.length = 0;
    await pool.query(
      'INSERT INTO endpoint_secret (id, endpoint_id, sealed) VALUES (gen_random_uuid(), $1, $2)',
      [endpointId, Buffer.from('x')],
    );
    await waitUntil(() => changes.includes(`endpoint:${endpointId}`), { timeoutMs: 5_000 });

    const keyId = '019a0000-0000-7000-8000-000000000002';
    await pool.query("INSERT INTO api_key (id, hash, hint, scopes) VALUES ($1, $2, 'phk_', '{read}')", [
      keyId,
      Buffer.alloc(32),
    ]);
    changes.length = 0;
    await pool.query('UPDATE api_key SET revoked_at = now(), updated_at = now() WHERE id = $1', [keyId]);
    await waitUntil(() => changes.includes(`api_key:${keyId}`), { timeoutMs: 5_000 });
  });

  it('does not announce that a key was used', async () => {
    const listener = new pg.Client(database.url);
    const heard: string[] = [];
    await listener.connect();
    listener.on('notification', ({ payload }) => heard.push(payload ?? ''));
    await listener.query('LISTEN posthorn_changes');
    await pool.query('UPDATE api_key SET last_used_at = now()');
    await pool.query("UPDATE customer SET name = 'marker' WHERE id = 'acme'");
    await waitUntil(() => heard.includes('customer:acme'), { timeoutMs: 5_000 });
    expect(heard).toEqual(['customer:acme']);
    await listener.end();
  });

  it('reports a gap when its connection is cut, and goes on', async () => {
    const before = gaps;
    await pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posthorn-changes'",
    );
    await waitUntil(() => gaps >= before + 2, { timeoutMs: 10_000 });
    changes.length = 0;
    await pool.query("UPDATE customer SET name = 'again'");
    await waitUntil(() => changes.includes('customer:acme'), { timeoutMs: 5_000 });
  });

  it('reports a gap within seconds when its connection goes silent without being closed', async () => {
    const target = new URL(database.url);
    let silent = false;
    const proxy = createServer((client) => {
      const server = connect(Number(target.port), target.hostname);
      client.on('data', (chunk) => !silent && server.write(chunk));
      server.on('data', (chunk) => !silent && client.write(chunk));
      for (const socket of [client, server]) socket.on('error', () => undefined);
      client.on('close', () => server.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const through = new URL(database.url);
    through.port = String((proxy.address() as AddressInfo).port);
    let gapsThrough = 0;
    const feedThrough = openChangeFeed({
      databaseUrl: through.href,
      logger: createLogger({ level: 'silent', role: 'test' }),
      onChange: () => undefined,
      onGap: () => (gapsThrough += 1),
    });
    await waitUntil(() => gapsThrough === 1, { timeoutMs: 10_000 });
    silent = true;
    await waitUntil(() => gapsThrough > 1, { timeoutMs: 12_000 });
    await feedThrough.close();
    proxy.close();
  });

  it('finds by its poll what was announced while nobody heard, and tells it once', async () => {
    changes.length = 0;
    await pool.query('ALTER TABLE customer DISABLE TRIGGER customer_change');
    await pool.query("UPDATE customer SET name = 'silent', updated_at = now()");
    await pool.query("INSERT INTO customer (id) VALUES ('other')");
    await waitUntil(() => changes.includes('customer:acme') && changes.includes('customer:other'), {
      timeoutMs: 15_000,
    });
    changes.length = 0;
    await pool.query("UPDATE customer SET name = 'silent', updated_at = now() WHERE id = 'other'");
    await waitUntil(() => changes.includes('customer:other'), { timeoutMs: 15_000 });
    expect(changes).toEqual(['customer:other']);
    await pool.query('ALTER TABLE customer ENABLE TRIGGER customer_change');
  });
});

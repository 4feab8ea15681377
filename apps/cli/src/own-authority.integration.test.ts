import { findFreePort, startChildScript, startPrivateRedis, startTestPostgres } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { createCertificate } from '../../../packages/sender/src/test-support/certificate.js';

let folder: string;
let authority: string;
let endpoint: Server;
let urls: { endpoint: string; postgres: string; redis: string };
const closing: (() => Promise<unknown>)[] = [];

/** An endpoint, Postgres and Redis, each with a certificate that nobody but its own authority vouches for. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-own-authority-'));
  closing.push(() => rm(folder, { recursive: true }));
  const { key, cert } = createCertificate(['localhost']);
  authority = path.join(folder, 'authority.pem');
  await writeFile(authority, cert);

  endpoint = createServer({ key, cert }, (_request, response) => response.end());
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  closing.push(async () => endpoint.close());

  const postgres = await startTestPostgres({ dataDir: path.join(folder, 'postgres') });
  closing.push(() => postgres.stop());
  const client = new pg.Client(postgres.url);
  await client.connect();
  await installCertificate(path.join(folder, 'postgres', 'data'), key, cert);
  await client.query('ALTER SYSTEM SET ssl = on');
  await client.query('SELECT pg_reload_conf()');
  await client.end();

  const redis = await startPrivateRedis({ dataDir: path.join(folder, 'redis') });
  closing.push(() => redis.stop());
  const plain = new Redis(redis.url);
  await installCertificate(path.join(folder, 'redis', 'data'), key, cert);
  const tlsPort = await findFreePort();
  // In one command, since each alone would be refused; relative, since its user may not walk the folders above.
  await plain.call(
    ...['CONFIG', 'SET', 'tls-cert-file', 'server.crt'],
    ...['tls-key-file', 'server.key', 'tls-auth-clients', 'no'],
    ...['tls-port', String(tlsPort)],
  );
  plain.disconnect();

  urls = {
    endpoint: `https://localhost:${(endpoint.address() as AddressInfo).port}/`,
    postgres: `${postgres.url.replace('127.0.0.1', 'localhost')}?sslmode=verify-full`,
    redis: redis.url.replace('redis:', 'rediss:').replace(/127\.0\.0\.1:\d+/, `localhost:${tlsPort}`),
  };
}, 60_000);
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** Readable for the user that the server runs as, and for nobody else, as Postgres wants it. */
async function installCertificate(serverFolder: string, key: string, cert: string): Promise<void> {
  const { uid, gid } = await stat(serverFolder);
  for (const [name, text] of [
    ['server.crt', cert],
    ['server.key', key],
  ] as const) {
    await writeFile(path.join(serverFolder, name), text, { mode: 0o600 });
    await chown(path.join(serverFolder, name), uid, gid);
  }
}

const source = (file: string) => JSON.stringify(new URL(`../../../packages/${file}`, import.meta.url).href);
const reach = ({ endpoint, postgres, redis }: typeof urls) => `
  const { createSender } = await import(${source('sender/src/index.ts')});
  const { openDatabase } = await import(${source('database/src/index.ts')});
  const { connectFailFast, connectToLook } = await import(${source('queue/src/redis-connections.ts')});
  const logger = { info() {}, warn() {}, error() {}, debug() {} };
  const reasonOf = (error) => error.code ?? error.message;

  const sender = createSender({ allowTargets: ['127.0.0.0/8', '::1/128'] });
  const sent = await sender.send({ url: ${JSON.stringify(endpoint)}, headers: {}, body: '{}', poolKey: '' });

  const database = openDatabase({ url: ${JSON.stringify(postgres)}, poolMax: 3, logger });
  const secure = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
  const query = await database.prisma.$queryRawUnsafe(secure).then(
    ([{ ssl }]) => (ssl ? 'encrypted' : 'plain'),
    (error) => (/unable to verify|self-signed/i.test(error.message) ? 'not trusted' : error.message),
  );

  let lost;
  const redis = connectToLook(${JSON.stringify(redis)}, 'test', 3_000).on('error', (error) => (lost ??= error));
  const pong = await redis.ping().catch((error) => reasonOf(lost ?? error));
  process.stdout.write(JSON.stringify({ sent: sent.error?.code ?? sent.status, query, pong }) + '\\n');
  process.exit();
`;
async function outcome(given: typeof urls, env: Record<string, string>): Promise<unknown> {
  const child = startChildScript(reach(given), { env });
  return JSON.parse(await child.nextLine());
}

describe('an authority of one’s own', () => {
  it('is trusted for endpoints, Postgres and Redis when NODE_EXTRA_CA_CERTS names it', async () => {
    expect(await outcome(urls, { NODE_EXTRA_CA_CERTS: authority })).toEqual({
      sent: 'delivered',
      query: 'encrypted',
      pong: 'PONG',
    });
  });

  it('is trusted for none of them otherwise', async () => {
    expect(await outcome(urls, { NODE_EXTRA_CA_CERTS: '' })).toEqual({
      sent: 'tls_certificate_self_signed',
      query: 'not trusted',
      pong: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
  });

  it('is trusted for Postgres alone when DATABASE_URL names it', async () => {
    const given = { ...urls, postgres: `${urls.postgres}&sslrootcert=${encodeURIComponent(authority)}` };
    expect(await outcome(given, { NODE_EXTRA_CA_CERTS: '' })).toMatchObject({
      sent: 'tls_certificate_self_signed',
      query: 'encrypted',
      pong: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
  });

  it('does not vouch for another name', async () => {
    const elsewhere = Object.fromEntries(
      Object.entries(urls).map(([name, url]) => [name, url.replace('localhost', '127.0.0.1')]),
    ) as typeof urls;
    expect(await outcome(elsewhere, { NODE_EXTRA_CA_CERTS: authority })).toMatchObject({
      sent: 'tls_certificate_wrong_name',
      pong: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });
});

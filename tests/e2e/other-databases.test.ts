import { runSql, startReceiver, testRedis, testServerUrl, waitUntil, type Receiver } from '@posthorn/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';

import {
  addEndpoint,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

const name = `posthorn_test_${Math.floor(Date.now() / 1000)}_${randomBytes(6).toString('hex')}`;
const role = `hooks_${randomBytes(6).toString('hex')}`;
const redis = testRedis();
let receiver: Receiver;
let posthorn: Posthorn;

beforeAll(async () => {
  const password = randomBytes(12).toString('hex');
  await runSql(
    testServerUrl(),
    `CREATE ROLE ${role} LOGIN PASSWORD '${password}' NOSUPERUSER NOCREATEDB NOCREATEROLE`,
    `CREATE DATABASE ${name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'`,
    `ALTER DATABASE ${name} SET timezone = 'Asia/Kolkata'`,
    `ALTER DATABASE ${name} SET datestyle = 'SQL, DMY'`,
    `ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`,
    `REVOKE ALL ON DATABASE ${name} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${name} TO ${role}`,
  );
  const url = new URL(testServerUrl());
  url.pathname = `/${name}`;
  // Another installation, and tables of somebody else, in the same database.
  await prepareDatabase(url.href);
  await runSql(url.href, 'CREATE TABLE theirs ()', `CREATE SCHEMA hooks AUTHORIZATION ${role}`);

  url.username = role;
  url.password = password;
  url.searchParams.set('schema', 'hooks');
  await prepareDatabase(url.href);
  receiver = await startReceiver();
  posthorn = await startPosthorn({ databaseUrl: url.href, redisUrl: redis.url });
}, 120_000);

afterAll(async () => {
  await posthorn.stop();
  await receiver.close();
  await redis.drop();
  await runSql(
    testServerUrl(),
    `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`,
    `DROP ROLE IF EXISTS ${role}`,
  );
});

it('works in a schema of its own beside another installation, for a role that owns nothing else, with another collation, time zone, date style and isolation level', async () => {
  const ready = await posthorn.call<{ status: string }>('GET', '/ready');
  expect(ready.body).toMatchObject({ status: 'ready' });

  await addEndpoint(posthorn, 'acme', { url: receiver.url });
  const beforeMs = Date.now();
  const eventIds = await Promise.all(Array.from({ length: 8 }, () => postEvent(posthorn, 'acme')));
  const answers = await Promise.all(
    ['one', 'one'].map(() => postEvent(posthorn, 'acme', { 'idempotency-key': 'one' })),
  );
  expect(new Set(answers).size).toBe(1);
  for (const id of eventIds) await untilDelivery(posthorn, id, ({ status }) => status === 'delivered');

  // Times come by `pg` and by Prisma; both are now.
  const { body: event } = await posthorn.call<{ acceptedAt: string }>('GET', `/v1/events/${eventIds[0]}`);
  const { body: customer } = await posthorn.call<{ createdAt: string }>('GET', '/v1/customers/acme');
  for (const at of [event.acceptedAt, customer.createdAt])
    expect(Math.abs(Date.parse(at) - beforeMs)).toBeLessThan(60_000);

  await waitUntil(
    async () => {
      const { body } = await posthorn.call<{ data: { successes: number }[] }>('GET', '/v1/stats?bucket=day');
      return body.data.reduce((sum, { successes }) => sum + successes, 0) === 9;
    },
    { timeoutMs: 30_000 },
  );
}, 120_000);

it('pages through ids that another collation sorts otherwise, each once', async () => {
  // As code units: B C a-1 a_1 b ä. As people in the United States sort: a_1 a-1 b B C.
  const ids = ['B', 'a_1', 'C', 'b', 'a-1', 'A.1', 'a1'];
  for (const id of ids) await posthorn.call('PUT', `/v1/customers/${id}`, {});
  for (const id of ids) await posthorn.call('PUT', `/v1/event-types/${id}`, { description: id });
  for (const list of ['/v1/customers', '/v1/event-types']) {
    const found: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const page: { body: { data: { id?: string; name?: string }[]; nextCursor: string | null } } =
        await posthorn.call('GET', `${list}?limit=2${next && `&cursor=${encodeURIComponent(next)}`}`);
      found.push(...page.body.data.map((item) => item.id ?? item.name ?? ''));
      next = page.body.nextCursor;
    }
    expect(found.filter((id) => ids.includes(id)).sort()).toEqual([...ids].sort());
  }
});

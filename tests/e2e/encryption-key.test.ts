import {
  createTestDatabase,
  startReceiver,
  testRedis,
  waitUntil,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';

import {
  addEndpoint,
  expectStatus,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

const main = path.resolve(import.meta.dirname, '../../apps/cli/dist/main.js');
const keyOf = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;

let database: TestDatabase;
let receiver: Receiver;
let posthorn: Posthorn;

beforeAll(async () => {
  database = await createTestDatabase();
  await prepareDatabase(database.url);
  receiver = await startReceiver();
});
afterAll(async () => {
  await posthorn.stop();
  await receiver.close();
  await database.drop();
});

const start = (keys: string, env: Record<string, string> = {}) =>
  startPosthorn({
    databaseUrl: database.url,
    redisUrl: testRedis().url,
    env: { ...env, POSTHORN_ENCRYPTION_KEYS: keys },
  });

describe('The encryption key', () => {
  it('is changed while events are delivered, and the old one is not needed afterwards', async () => {
    const [before, after] = [keyOf('before'), keyOf('after')];
    posthorn = await start(`${after},${before}`);
    // Written by a process that has only the old key.
    const old = await start(before, { POSTHORN_QUEUE_PREFIX: posthorn.env['POSTHORN_QUEUE_PREFIX']! });
    const headers = { Authorization: 'Bearer open-sesame' };
    const { secret } = await addEndpoint(old, 'acme', { url: receiver.url, headers });
    // It is asked to come again until only the new key is there; 429 opens no breaker.
    const busy = await startReceiver(() => ({ status: 429 }));
    const oneShot = { customerId: 'acme', url: busy.url, payload: 1, headers };
    const retryPolicy = { delaysSeconds: [1], maxAttempts: 50 };
    const { body: accepted } = await expectStatus(
      old.call<{ id: string }>('POST', '/v1/webhooks/deliver', { ...oneShot, retryPolicy }),
      202,
    );
    await old.stop();

    const eventIds: string[] = [];
    const posting = new AbortController();
    const producer = (async () => {
      do eventIds.push(await postEvent(posthorn, 'acme'));
      while (!posting.signal.aborted);
    })();
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'keys', 'reencrypt'], {
      env: { DATABASE_URL: database.url, POSTHORN_ENCRYPTION_KEYS: `${after},${before}` },
    });
    posting.abort();
    await producer;
    expect(stdout).toContain(
      'Re-encrypted with after: 1 signing secret, the headers of 1 endpoint, 1 one-shot secret, the headers of 1 one-shot, 0 stored responses.',
    );
    for (const id of eventIds) await untilDelivery(posthorn, id, ({ status }) => status === 'delivered');

    await posthorn.stop();
    posthorn = await start(after, posthorn.env);
    const last = await postEvent(posthorn, 'acme');
    await untilDelivery(posthorn, last, ({ status }) => status === 'delivered');
    const request = receiver.requests.at(-1)!;
    expect(request.headers.authorization).toBe(headers.Authorization);
    const received = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    expect(new Webhook(secret).verify(request.body.toString(), received)).toMatchObject({ id: last });

    busy.respondWith(() => ({ status: 200 }));
    await waitUntil(
      async () => {
        const status = await posthorn.call('GET', `/v1/webhooks/${accepted.id}/status`);
        return status.body['status'] === 'delivered';
      },
      { timeoutMs: 60_000 },
    );
    expect(busy.requests.at(-1)!.headers.authorization).toBe(headers.Authorization);
    await busy.close();
  });
});

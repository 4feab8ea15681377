import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';

import {
  addEndpoint,
  expectStatus,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

const MAIN = path.resolve(import.meta.dirname, '../../apps/cli/dist/main.js');

let database: TestDatabase;
let receiver: Receiver;
let posthorn: Posthorn;

beforeAll(async () => {
  [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  await prepareDatabase(database.url);
  posthorn = await startPosthorn({ databaseUrl: database.url, redisUrl: testRedis().url });
}, 300_000);
afterAll(async () => {
  await posthorn.stop();
  await receiver.close();
  await database.drop();
});

interface CommandEnd {
  code: number | null;
  stdout: string;
  stderr: string;
}

function replay(...args: string[]): Promise<CommandEnd> {
  const target = ['--url', posthorn.origin, '--key', posthorn.adminKey];
  const child = spawn(process.execPath, [MAIN, 'replay', ...args, ...target], {
    cwd: os.tmpdir(),
    env: { PATH: process.env['PATH'] },
  });
  const end: CommandEnd = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (end.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (end.stderr += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...end, code })));
}

describe('posthorn replay', () => {
  it('sends a delivered one again under its webhook-id, says so, and fails where it is none or on the wire', async () => {
    const { id: endpointId } = await addEndpoint(posthorn, 'acme', { url: receiver.url });
    const eventId = await postEvent(posthorn, 'acme');
    const { id } = await untilDelivery(posthorn, eventId, ({ status }) => status === 'delivered');

    expect(await replay(id)).toEqual({
      code: 0,
      stdout: `${id} is sent again. posthorn deliveries show ${id} shows how it goes.\n`,
      stderr: '',
    });
    await untilDelivery(
      posthorn,
      eventId,
      ({ status, attempts }) => status === 'delivered' && attempts === 2,
    );
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([eventId, eventId]);

    receiver.respondWith(() => ({ fault: 'hang' }));
    const asJson = await replay(id, '--json');
    expect(JSON.parse(asJson.stdout)).toMatchObject({ id, status: 'pending', attempts: 2 });
    await receiver.waitFor(3, { timeoutMs: 60_000 });
    const inFlight = await replay(id);
    expect(inFlight).toMatchObject({ code: 1, stdout: '' });
    expect(inFlight.stderr).toMatch(/^409 delivery_in_flight: /);

    await expectStatus(posthorn.call('POST', `/v1/endpoints/${endpointId}/pause`), 200);
    expect(await replay(id)).toEqual({
      code: 0,
      stdout: `${id} is held (endpoint_paused).\n`,
      stderr: '',
    });

    const unknown = await replay('dlv_00000000000000000000000000');
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^404 not_found: /);
  }, 240_000);
});

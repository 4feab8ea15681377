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

const replay = (...args: string[]) => command('replay', ...args);

function command(...args: string[]): Promise<CommandEnd> {
  const target = ['--url', posthorn.origin, '--key', posthorn.adminKey];
  const child = spawn(process.execPath, [MAIN, ...args, ...target], {
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
      stdout: `${id} is sent again. To see the result: posthorn deliveries show ${id}\n`,
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

describe('posthorn replays', () => {
  it('counts first, and replays with --yes, showing how it goes to its end', async () => {
    const retryPolicy = { delaysSeconds: [0], maxAttempts: 1 };
    await addEndpoint(posthorn, 'many', { url: receiver.url, retryPolicy });
    receiver.respondWith(() => ({ status: 500 }));
    const eventIds = [await postEvent(posthorn, 'many'), await postEvent(posthorn, 'many')];
    for (const eventId of eventIds) {
      await untilDelivery(posthorn, eventId, ({ status }) => status === 'dead_lettered');
    }
    receiver.respondWith(() => ({ status: 200 }));

    const start = ['replays', 'start', '--customer', 'many'];
    expect(await command(...start)).toEqual({
      code: 0,
      stdout: '2 deliveries match. Add --yes to replay them.\n',
      stderr: '',
    });
    const started = await command(...start, '--yes');
    expect(started).toMatchObject({ code: 0, stderr: '' });
    const lines = started.stdout.trimEnd().split('\n');
    const [id = ''] = /^rpl_\w+/.exec(lines[0] ?? '') ?? [];
    expect(lines.at(-1)).toBe(`${id} is completed: 2 matched, 2 delivered, 0 failed, 0 remaining.`);
    expect(await command(...start, '--yes')).toMatchObject({ stdout: '0 deliveries match.\n' });

    const shown = await command('replays', 'show', id, '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ id, state: 'completed', done: 2 });
    const list = await command('replays', 'list', '--customer', 'many', '--state', 'completed');
    expect(list.stdout).toContain(id);
    const refused = await command('replays', 'cancel', id);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^409 conflict: /);
  }, 240_000);
});

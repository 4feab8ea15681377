import { startReceiver, waitUntil, type Receiver } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { processesOf, startDev, untilRunning, type Dev } from './support/start-dev.js';

let folder: string;
let dataDir: string;
let dev: Dev;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
});
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-dev-services-'));
  dataDir = path.join(folder, 'data');
  dev = startDev(folder, dataDir);
  await untilRunning(dev);
}, 120_000);
afterEach(async () => {
  if (dev.process.exitCode === null) dev.process.kill('SIGINT');
  await dev.exit;
  await waitUntil(() => processesOf(folder).length === 0, { timeoutMs: 30_000 });
  await rm(folder, { recursive: true, force: true });
}, 120_000);
afterAll(() => receiver.close());

const pidFiles = { Postgres: 'postgres/data/postmaster.pid', Redis: 'redis/data/redis.pid' };
type Service = keyof typeof pidFiles;

function pidOf(service: Service): number {
  return Number.parseInt(readFileSync(path.join(dataDir, pidFiles[service]), 'utf8'), 10);
}

function kill(...services: Service[]): void {
  for (const pid of services.map(pidOf)) process.kill(pid, 'SIGKILL');
}

function restartsSaid(service: Service): number {
  return dev.output().split(`${service} stopped unexpectedly. It is started again.\n`).length - 1;
}

async function call<T>(method: string, target: string, body?: unknown): Promise<{ status: number; body: T }> {
  const response = await fetch(dev.line('Base URL') + target, {
    method,
    headers: {
      authorization: `Bearer ${dev.line('Admin key')}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as T };
}

/** Posts events one after the other until told to stop; the ids of those that were accepted. */
function postSteadily(): { accepted: string[]; refused: number[]; stop(): Promise<void> } {
  const [accepted, refused]: [string[], number[]] = [[], []];
  const stopping = new AbortController();
  const posting = (async () => {
    for (let n = 0; !stopping.signal.aborted; n += 1) {
      const event = { customerId: 'acme', type: 'invoice.paid', data: { n } };
      const { status, body } = await call<{ id: string }>('POST', '/v1/events', event);
      if (status === 202) accepted.push(body.id);
      else refused.push(status);
    }
  })();
  return {
    accepted,
    refused,
    async stop() {
      stopping.abort();
      await posting;
    },
  };
}

async function isDelivered(eventId: string): Promise<boolean> {
  const { body } = await call<{ data?: { status: string }[] }>('GET', `/v1/deliveries?eventId=${eventId}`);
  return body.data?.[0]?.status === 'delivered';
}

describe('posthorn dev', () => {
  it('starts its Postgres and its Redis again when they are killed, says so, and loses nothing that was accepted', async () => {
    await call('PUT', '/v1/customers/acme', {});
    await call('POST', '/v1/customers/acme/endpoints', { url: receiver.url, eventTypes: ['*'] });
    const posting = postSteadily();
    const untilAccepted = async (more: number) => {
      const before = posting.accepted.length;
      await waitUntil(() => posting.accepted.length >= before + more, { timeoutMs: 60_000 });
    };
    for (const services of [['Postgres'], ['Redis'], ['Postgres', 'Redis']] satisfies Service[][]) {
      await untilAccepted(20);
      const [before, pids] = [services.map(restartsSaid), services.map(pidOf)];
      kill(...services);
      await waitUntil(() => services.every((service, index) => restartsSaid(service) === before[index]! + 1));
      await waitUntil(
        async () =>
          services.every((service, index) => pidOf(service) !== pids[index]) &&
          (await call('GET', '/ready')).status === 200,
        { timeoutMs: 60_000 },
      );
    }
    await untilAccepted(20);
    await posting.stop();

    expect(posting.refused.filter((status) => status !== 503)).toEqual([]);
    for (const eventId of posting.accepted)
      await waitUntil(() => isDelivered(eventId), { timeoutMs: 90_000, what: `the delivery of ${eventId}` });
    expect([restartsSaid('Postgres'), restartsSaid('Redis')]).toEqual([2, 2]);
    expect(dev.output()).not.toMatch(/\n\s+at |Error/);
  }, 300_000);

  it('ends with one clear line and exit code 1 when a server cannot be started again', async () => {
    const said = dev.output().length;
    rmSync(path.join(dataDir, 'postgres/data/global/pg_control'));
    kill('Postgres');
    expect(await dev.exit).toBe(1);
    const lines = dev.output().slice(said).trim().split('\n');
    expect(lines).toEqual([
      'Postgres stopped unexpectedly. It is started again.',
      expect.stringMatching(
        /^Postgres stopped or failed to start 5 times within 5 minutes, so Posthorn stops\. Its log is .*postgres\.log and says: .*pg_control/,
      ),
    ]);
  }, 180_000);

  it.each(['Postgres', 'Redis'] as const)(
    'stops as ever, and leaves nothing behind, when it is told to while %s is started again',
    async (service) => {
      kill(service);
      await waitUntil(() => restartsSaid(service) === 1);
      dev.process.kill('SIGINT');
      expect(await dev.exit).toBe(0);
      expect(dev.output()).toMatch(/Stopped\.\n$/);
      expect(dev.output()).not.toMatch(/\n\s+at /);
    },
    180_000,
  );
});

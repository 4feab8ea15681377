import {
  createTestDatabase,
  startReceiver,
  testRedis,
  waitUntil,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { ledgerOf } from './support/history.js';
import { startBeside } from './support/start-beside.js';
import {
  type Answer,
  type DeliveryView,
  addEndpoint,
  expectStatus,
  prepareDatabase,
  startPosthorn,
  type Posthorn,
} from './support/start-posthorn.js';

const DELIVERIES = 300;
const KILLED = 2;
const WITHIN_MS = 120_000;
const env = { POSTHORN_JOB_LOCK_MS: '2000', POSTHORN_STALLED_CHECK_MS: '300' };

let database: TestDatabase;
let receiver: Receiver;
let posthorn: Posthorn;

beforeAll(async () => {
  [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  await prepareDatabase(database.url);
  posthorn = await startPosthorn({
    databaseUrl: database.url,
    redisUrl: testRedis().url,
    roles: ['ingest', 'console'],
    env,
  });
}, 300_000);
afterAll(async () => {
  await posthorn.stop();
  await receiver.close();
  await database.drop();
});

interface ReplayView {
  id: string;
  state: string;
  matched: number;
  done: number;
  failed: number;
  remaining: number;
}

describe('a bulk replay whose workers are killed', () => {
  it('opens every delivery once, also what fails again, ends, and has counted them right', async () => {
    const endpoint = { url: receiver.url, retryPolicy: { delaysSeconds: [0], maxAttempts: 1 } };
    await addEndpoint(posthorn, 'acme', endpoint);
    // Not 500: that many failures would open the endpoint's breaker, which a 429 leaves alone.
    receiver.respondWith(() => ({ status: 429 }));
    const event = { customerId: 'acme', type: 'invoice.paid', data: {} };
    const events = Array.from({ length: DELIVERIES }, () => event);
    await expectStatus(posthorn.call('POST', '/v1/events/batch', { events }), 202);
    let worker = await startBeside(posthorn, ['worker']);
    await untilLedger({ deadLettered: DELIVERIES });

    // The same end for an event however often it is sent.
    receiver.respondWith(({ headers }) => ({
      status: /[a-f]$/.test(createHash('md5').update(String(headers['webhook-id'])).digest('hex'))
        ? 429
        : 200,
      delayMs: 20,
    }));
    const filter = { customerId: 'acme', type: 'invoice.paid' };
    const dryRun = await expectStatus(posthorn.call('POST', '/v1/replays', { ...filter, dryRun: true }), 200);
    expect(dryRun.body).toEqual({ matched: DELIVERIES, more: false });
    const { body: replay } = await expectStatus(
      posthorn.call<ReplayView>('POST', '/v1/replays', filter),
      201,
    );
    for (let killed = 1; killed <= KILLED; killed += 1) {
      await receiver.waitFor(DELIVERIES + killed * 60, { timeoutMs: WITHIN_MS });
      await worker.kill();
      worker = await startBeside(posthorn, ['worker']);
    }
    try {
      const read = async () =>
        (await expectStatus(posthorn.call<ReplayView>('GET', `/v1/replays/${replay.id}`), 200)).body;
      await waitUntil(async () => (await read()).state === 'completed', { timeoutMs: WITHIN_MS });
      const deliveries = await deliveriesOf('acme');
      const delivered = deliveries.filter(({ status }) => status === 'delivered').length;
      expect(delivered).toBeGreaterThan(0);
      expect(delivered).toBeLessThan(DELIVERIES);
      const failed = DELIVERIES - delivered;
      expect(await read()).toMatchObject({ matched: DELIVERIES, done: delivered, failed, remaining: 0 });
      expect(await ledgerOf(posthorn, 'acme')).toMatchObject({ delivered, deadLettered: failed, pending: 0 });
      // One attempt of its event and one of the replay: what failed again was not opened again.
      expect(deliveries.map(({ attempts }) => attempts)).toEqual(Array<number>(DELIVERIES).fill(2));
      const { body } = await expectStatus(
        posthorn.call<{ data: { trigger: string }[] }>('GET', `/v1/deliveries/${deliveries[0]!.id}/attempts`),
        200,
      );
      expect(body.data.map(({ trigger }) => trigger)).toEqual(['replay', 'automatic']);
    } finally {
      await worker.stop();
    }
  }, 600_000);
});

async function deliveriesOf(customerId: string): Promise<DeliveryView[]> {
  const deliveries: DeliveryView[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Answer<{ data: DeliveryView[]; nextCursor: string | null }> = await expectStatus(
      posthorn.call(
        'GET',
        `/v1/deliveries?customerId=${customerId}&limit=250${cursor && `&cursor=${cursor}`}`,
      ),
      200,
    );
    deliveries.push(...page.body.data);
    cursor = page.body.nextCursor;
  }
  return deliveries;
}

async function untilLedger(expected: Partial<Awaited<ReturnType<typeof ledgerOf>>>): Promise<void> {
  const matches = async () => {
    const ledger: Record<string, number> = { ...(await ledgerOf(posthorn, 'acme')) };
    return Object.entries(expected).every(([name, count]) => ledger[name] === count);
  };
  await waitUntil(matches, { timeoutMs: WITHIN_MS });
}

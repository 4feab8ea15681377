import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryRef } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';
import { Webhook } from 'standardwebhooks';

import { deleteEndpoint } from '../cancel/delete-endpoint.sql.js';
import { createLedgerStore } from '../history/ledger-store.sql.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { replayDelivery, replayEvent } from '../replay/replay-delivery.js';
import { createStatisticsRollUp } from '../statistics/roll-up-statistics.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { sendTest, type SentTest } from './send-test.js';

const logger = createLogger({ level: 'error', role: 'test' });
const holdLimitMs = 28 * 86_400_000;

let pipeline: OpenPipeline;
let receiver: Receiver;
let customers = 0;
let customerId: string;
let endpoint: { id: string; secret: string };
const jobs: DeliveryRef[] = [];
const queue = {
  enqueue: (more: readonly DeliveryRef[]) => {
    jobs.push(...more);
    return Promise.resolve();
  },
};

beforeAll(async () => {
  pipeline = await openPipeline();
});
afterAll(() => pipeline.close());
beforeEach(async () => {
  receiver = await startReceiver();
  customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
  endpoint = await pipeline.addEndpoint(customerId, { url: receiver.url, eventTypes: ['invoice.paid'] });
  jobs.length = 0;
});
afterEach(() => receiver.close());

const deps = () => ({ ...pipeline.database, queue, logger, holdLimitMs });

async function send(): Promise<SentTest> {
  const sent = await sendTest(deps(), { customerId, endpointId: endpoint.id });
  if (!sent) throw new Error('The endpoint is not there');
  return sent;
}

/** What the worker says of its job. */
const attempt = () => pipeline.handle(jobs.at(-1) as DeliveryRef, new AbortController().signal);
const rowsOf = async (statement: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  (await pipeline.database.pool.query<Record<string, unknown>>(statement, values)).rows;
const delivery = async ({ deliveryId }: SentTest) =>
  (await rowsOf('SELECT * FROM delivery WHERE id = $1', deliveryId))[0];
const setStatus = (status: string, reason: string | null) =>
  rowsOf('UPDATE endpoint SET status = $2, disabled_reason = $3 WHERE id = $1', endpoint.id, status, reason);

describe('a test', () => {
  it('reaches an endpoint that takes other types, signed with its secret', async () => {
    const sent = await send();
    expect(await attempt()).toMatchObject({ kind: 'done', healthSignal: { kind: 'success' } });
    const [request] = receiver.requests;
    const headers = request!.headers as Record<string, string>;
    expect(new Webhook(endpoint.secret).verify(request!.body.toString(), headers)).toMatchObject({
      type: 'posthorn.test',
    });
    expect(await delivery(sent)).toMatchObject({ status: 'delivered', attempts: 1, test: true });
    expect(await pipeline.attempts(sent.eventId, endpoint.id)).toMatchObject([
      { trigger: 'test', status: 'delivered' },
    ]);
  });

  it('is sent once, and its failure counts against nothing', async () => {
    receiver.respondWith(() => ({ status: 503, headers: { 'Retry-After': '600' } }));
    const sent = await send();
    expect(await attempt()).toEqual({ kind: 'done', healthSignal: { kind: 'none', pauseMs: 0 } });
    expect(await delivery(sent)).toMatchObject({ status: 'dead_lettered', attempts: 1 });

    expect(await createLedgerStore(pipeline.database).read({ customerId })).toEqual({
      accepted: 0,
      delivered: 0,
      pending: 0,
      held: 0,
      deadLettered: 0,
      cancelled: 0,
      unmatchedEvents: 0,
    });
    const { accepted, deadLettered } = await createLedgerStore(pipeline.database).read({
      customerId,
      endpointId: endpoint.id,
    });
    expect([accepted, deadLettered]).toEqual([0, 0]);
    const reading = createStatisticsRollUp({
      ...pipeline.database,
      retentionDays: 30,
      failingLimits: { warnAfterMs: null, disableAfterMs: null },
      notWithinMs: 0,
    });
    await reading.run(new AbortController().signal);
    expect(await rowsOf('SELECT * FROM statistic WHERE customer_id = $1', customerId)).toEqual([]);
  });

  it('does not disable an endpoint that answers 410', async () => {
    receiver.respondWith(() => ({ status: 410 }));
    const sent = await send();
    expect(await attempt()).toMatchObject({ kind: 'done', healthSignal: { kind: 'none' } });
    expect(await delivery(sent)).toMatchObject({ status: 'dead_lettered' });
    expect(await rowsOf('SELECT status FROM endpoint WHERE id = $1', endpoint.id)).toEqual([
      { status: 'enabled' },
    ]);
  });

  it.each([
    ['paused', null],
    ['disabled', 'gone'],
  ])('is sent to an endpoint that is %s, and changes nothing about that', async (status, reason) => {
    await setStatus(status, reason);
    const sent = await send();
    await attempt();
    expect(await delivery(sent)).toMatchObject({ status: 'delivered' });
    expect(await rowsOf('SELECT status FROM endpoint WHERE id = $1', endpoint.id)).toEqual([{ status }]);
  });

  it('is not held by a pause that comes before its turn', async () => {
    const sent = await send();
    await pauseEndpoint({ ...deps() }, endpoint.id);
    expect(await delivery(sent)).toMatchObject({ status: 'pending' });
    await attempt();
    expect(await delivery(sent)).toMatchObject({ status: 'delivered' });
  });

  it('is not sent again by a replay', async () => {
    receiver.respondWith(() => ({ status: 500 }));
    const sent = await send();
    await attempt();
    expect(await replayDelivery(deps(), sent.deliveryId)).toBe('test');
    expect(await replayEvent(deps(), sent.eventId, endpoint.id)).toBe('test');
  });

  it('is not sent to an endpoint that was deleted', async () => {
    const sent = await send();
    await deleteEndpoint(pipeline.database.pool, endpoint.id);
    expect(await delivery(sent)).toMatchObject({ status: 'cancelled', reason: 'endpoint_deleted' });
    expect(await sendTest(deps(), { customerId, endpointId: endpoint.id })).toBeNull();
  });
});

import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { allDelivered, attemptsOf, ledgerOf } from './support/history.js';
import { startBeside } from './support/start-beside.js';
import {
  addEndpoint,
  postEvent,
  prepareDatabase,
  startPosthorn,
  untilDelivery,
  type Posthorn,
} from './support/start-posthorn.js';

// A worker's customers are due again when its lease ends, 10 s after it was last renewed.
const TAKEN_OVER_WITHIN_MS = 90_000;
/** The sweep would find it as well: it must not be needed. */
const env = {
  POSTHORN_JOB_LOCK_MS: '6000',
  POSTHORN_STALLED_CHECK_MS: '300',
  POSTHORN_SWEEP_INTERVAL_MS: '600000',
};

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

describe('a delivery whose worker is killed while sending it', () => {
  it('is sent again however often that happens, and ends with the one attempt that could be recorded', async () => {
    await addEndpoint(posthorn, 'thrice', { url: `${receiver.url}/thrice` });
    receiver.respondWith(({ number }) => (number <= 3 ? { fault: 'hang' } : { status: 200 }));
    const eventId = await postEvent(posthorn, 'thrice');
    for (let killed = 1; killed <= 3; killed += 1) {
      const worker = await startBeside(posthorn, ['worker']);
      await receiver.waitFor(killed, { timeoutMs: TAKEN_OVER_WITHIN_MS });
      await worker.kill();
    }
    const worker = await startBeside(posthorn, ['worker']);
    try {
      const delivery = await untilDelivery(
        posthorn,
        eventId,
        ({ status }) => status === 'delivered',
        TAKEN_OVER_WITHIN_MS,
      );
      expect(delivery.attempts).toBe(1);
      expect(await attemptsOf(posthorn, delivery.id)).toEqual([{ number: 1, status: 'delivered' }]);
      expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(
        Array<string>(4).fill(eventId),
      );
      expect(await ledgerOf(posthorn, 'thrice')).toEqual(allDelivered(1));
      expect(worker.output()).toContain('job.taken_over');
    } finally {
      await worker.stop();
    }
  }, 600_000);
});

import {
  createTestDatabase,
  startReceiver,
  testRedis,
  waitUntil,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

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
  database = await createTestDatabase();
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
  await database.drop();
});
beforeEach(async () => {
  receiver = await startReceiver();
});

const isDelivered = ({ status }: { status: string }): boolean => status === 'delivered';

describe('a worker that falls silent', () => {
  it('leaves its quiet customer’s only event to another that idles, though nothing else comes', async () => {
    await addEndpoint(posthorn, 'quiet', { url: receiver.url });
    receiver.respondWith(({ number }) => (number === 1 ? { fault: 'hang' } : { status: 200 }));
    const doomed = await startBeside(posthorn, ['worker']);
    const eventId = await postEvent(posthorn, 'quiet');
    await receiver.waitFor(1, { timeoutMs: TAKEN_OVER_WITHIN_MS });
    const idle = await startBeside(posthorn, ['worker']);
    try {
      await doomed.kill();
      const delivery = await untilDelivery(posthorn, eventId, isDelivered, TAKEN_OVER_WITHIN_MS);
      expect(await attemptsOf(posthorn, delivery.id)).toEqual([{ number: 1, status: 'delivered' }]);
      expect(receiver.requests).toHaveLength(2);
    } finally {
      await idle.stop();
      await receiver.close();
    }
  }, 400_000);

  it('and wakes after its locks have ended moves no delivery that another has ended, and goes on', async () => {
    const EVENTS = 10;
    await addEndpoint(posthorn, 'frozen', { url: receiver.url });
    let answerHalf: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answerHalf = resolve));
    receiver.respondWith(async ({ number }) => {
      if (number > EVENTS) return { status: 200 };
      if (number % 2 === 0) return { fault: 'hang' };
      await answered;
      return { status: 200 };
    });
    const frozen = await startBeside(posthorn, ['worker']);
    const eventIds = await Promise.all(Array.from({ length: EVENTS }, () => postEvent(posthorn, 'frozen')));
    await receiver.waitFor(EVENTS, { timeoutMs: TAKEN_OVER_WITHIN_MS });
    frozen.process.kill('SIGSTOP');
    const other = await startBeside(posthorn, ['worker']);
    try {
      const ended = await Promise.all(
        eventIds.map((id) => untilDelivery(posthorn, id, isDelivered, TAKEN_OVER_WITHIN_MS)),
      );
      expect(receiver.requests).toHaveLength(2 * EVENTS);
      // Half of its sends have their answer waiting when it wakes, the others have none.
      answerHalf();
      frozen.process.kill('SIGCONT');
      await waitUntil(() => frozen.output().includes('lease.lost'), { timeoutMs: 60_000 });

      // It goes on working: alone again, it delivers what comes.
      await other.stop();
      await untilDelivery(posthorn, await postEvent(posthorn, 'frozen'), isDelivered, TAKEN_OVER_WITHIN_MS);
      // What it had under way has ended when it has stopped.
      expect(await frozen.stop()).toBe(0);

      for (const before of ended) {
        const after = await untilDelivery(posthorn, before.eventId, () => true);
        const { attempts: _, ...unmoved } = before;
        expect(after).toMatchObject(unmoved);
        const [first, ...others] = await attemptsOf(posthorn, after.id);
        expect(first).toEqual({ number: 1, status: 'delivered' });
        for (const { status } of others) expect(status).toBe('overlapped');
        expect(others.length).toBeLessThanOrEqual(1);
      }
      expect(receiver.requests).toHaveLength(2 * EVENTS + 1);
      expect(await ledgerOf(posthorn, 'frozen')).toEqual(allDelivered(EVENTS + 1));
    } finally {
      frozen.process.kill('SIGCONT');
      await Promise.all([frozen.stop(), other.stop()]);
      await receiver.close();
    }
  }, 600_000);
});

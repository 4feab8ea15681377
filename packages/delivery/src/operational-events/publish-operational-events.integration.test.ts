import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { operationalEventBody, validateValue } from '@posthorn/api-contract';
import { encodeId, type OperationalEventType } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';
import type pg from 'pg';

import type { EventAcceptor } from '../accept/accept-event.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import { createReplayRunner } from '../replay/replay-many.js';
import { createReplayStore } from '../replay/replay-store.sql.js';
import { createStatisticsRollUp } from '../statistics/roll-up-statistics.js';
import { addFinished } from '../test-support/add-finished.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createOperationalEventPublisher } from './publish-operational-events.js';

const ALL = new AbortController().signal;
const ONCE = { retryPolicy: { maxAttempts: 1 } };
const logger = createLogger({ level: 'silent', role: 'test' });

let pipeline: OpenPipeline;
let pool: pg.Pool;
let receiver: Receiver;
let customerId: string;
let customers = 0;

beforeAll(async () => {
  pipeline = await openPipeline();
  ({ pool } = pipeline.database);
  receiver = await startReceiver();
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});
beforeEach(async () => {
  customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
});
afterEach(() => pool.query('TRUNCATE notice, exhaustion, delivery_end'));

const read = (exhaustedEveryMs = 60_000) =>
  createStatisticsRollUp({
    pool,
    clock: pipeline.database.clock,
    retentionDays: 30,
    failingLimits: { warnAfterMs: null, disableAfterMs: null },
    notWithinMs: 0,
    exhaustedEveryMs,
  }).run(ALL);
const tell = (acceptor: Pick<EventAcceptor, 'accept'> = pipeline.acceptor) =>
  createOperationalEventPublisher({ pool, acceptor, logger }).run(ALL);

interface Told {
  type: OperationalEventType;
  data: Record<string, unknown> & { endpointId: string };
  deliveries: number;
}

/** The events of a customer, the operator's unless told, that are about this test's; each as the contract says. */
async function told(of = 'posthorn'): Promise<Told[]> {
  const { rows } = await pool.query<{ body: string; delivery_count: number }>(
    "SELECT body, delivery_count FROM event WHERE customer_id = $1 AND type LIKE 'posthorn.%' ORDER BY id",
    [of],
  );
  return rows
    .map(({ body, delivery_count }) => ({ ...(JSON.parse(body) as Told), deliveries: delivery_count }))
    .filter(({ data }) => data['customerId'] === customerId)
    .map(({ deliveries, ...body }) => {
      expect(validateValue(operationalEventBody(body.type), body, { convert: false }).ok).toBe(true);
      return { type: body.type, data: body.data, deliveries };
    });
}

/** Accepts an event for an endpoint that answers so, and makes one attempt. */
async function attempt(endpointId: string, status: number, of = customerId): Promise<string> {
  receiver.respondWith(() => ({ status }));
  const eventId = await pipeline.accept({ customerId: of });
  await pipeline.handle(pipeline.jobOf(eventId, endpointId), ALL);
  return eventId;
}

describe('dead letters', () => {
  it('are told at once, then gathered for a minute and told together', async () => {
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url, ...ONCE });
    const first = await attempt(id, 500);
    await read();
    await tell();
    const [event] = await told();
    expect(event).toEqual({
      type: 'posthorn.delivery.exhausted',
      data: {
        customerId,
        endpointId: encodeId('ep', id),
        reason: 'attempts_exhausted',
        deliveries: 1,
        deliveryIds: [encodeId('dlv', pipeline.jobOf(first, id).deliveryId)],
        lastAt: expect.any(String),
      },
      deliveries: 0,
    });

    for (let more = 0; more < 12; more += 1) {
      await attempt(id, 500);
      await read();
      await tell();
    }
    expect(await told()).toHaveLength(1);
    await read(0);
    await tell();
    const { data } = (await told())[1]!;
    expect(data).toMatchObject({ deliveries: 12 });
    expect(data['deliveryIds']).toHaveLength(10);
    // Nothing is left behind by an endpoint that has no more.
    await read(0);
    expect((await pool.query('SELECT FROM exhaustion')).rowCount).toBe(0);
  });

  it('are told neither of the operator’s own endpoints nor of a notificationUrl', async () => {
    const { id } = await pipeline.addEndpoint('posthorn', { url: receiver.url, ...ONCE });
    await attempt(id, 500, 'posthorn');
    await pipeline.setNotificationUrl(customerId, receiver.url);
    await pool.query(`UPDATE endpoint SET retry_policy = '{"maxAttempts": 1}' WHERE kind = 'notification'`);
    await note();
    await tell();
    await attemptAll('notification');
    const { rows } = await pool.query('SELECT status, reason FROM delivery_end');
    expect(rows).toEqual([1, 2].map(() => ({ status: 'dead_lettered', reason: 'attempts_exhausted' })));
    await read();
    expect((await pool.query('SELECT FROM notice')).rowCount).toBe(0);
    await pool.query("UPDATE endpoint SET deleted_at = now() WHERE customer_id = 'posthorn'");
  });
});

describe('an endpoint', () => {
  it('that answers 410 is told of once as disabled, and as recovered when it is enabled', async () => {
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    await Promise.all([attempt(id, 410), attempt(id, 410)]);
    await tell();
    const about = { customerId, endpointId: encodeId('ep', id) };
    const disabled = {
      type: 'posthorn.endpoint.disabled',
      data: { ...about, reason: 'gone' },
      deliveries: 0,
    };
    expect(await told()).toEqual([disabled]);
    for (let times = 0; times < 2; times += 1) await enable(id);
    await tell();
    const recovered = {
      type: 'posthorn.endpoint.recovered',
      data: { ...about, because: 'enabled' },
      deliveries: 0,
    };
    expect(await told()).toEqual([disabled, recovered]);
  });

  it('that was paused and is resumed is nothing to tell', async () => {
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    await pool.query("UPDATE endpoint SET status = 'paused' WHERE id = $1", [id]);
    await resumeEndpoint(resuming(), id, { from: 'paused', held: 'release' });
    await tell();
    expect(await told()).toEqual([]);
  });

  it('of the operator, or behind a notificationUrl, is disabled without a word', async () => {
    const { id } = await pipeline.addEndpoint('posthorn', { url: receiver.url });
    await attempt(id, 410, 'posthorn');
    await pipeline.setNotificationUrl(customerId, receiver.url);
    await note();
    await tell();
    await attemptAll('notification');
    expect(
      (await pool.query("SELECT FROM endpoint WHERE status = 'disabled' AND kind = 'notification'")).rowCount,
    ).toBe(1);
    await enable(id);
    expect((await pool.query('SELECT FROM notice')).rowCount).toBe(0);
    await pool.query("UPDATE endpoint SET deleted_at = now() WHERE customer_id = 'posthorn'");
  });
});

describe('a bulk replay', () => {
  it('is told of when it is completed, and when it is cancelled', async () => {
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    await addFinished(pool, { customerId, endpointId: id, count: 2 });
    const replays = createReplayStore({ ...pipeline.database, holdLimitMs: holdLimitMs(30) });
    const everything = { endpointId: null, type: null, since: null, until: null };
    const create = async () => {
      const made = await pipeline.database.prisma.$transaction((tx) =>
        replays.create(tx, { ...everything, customerId, status: 'dead_lettered' }),
      );
      if (made.kind !== 'created') throw new Error(made.kind);
      return made.replay.id;
    };
    const cancelled = await create();
    await replays.cancel(cancelled);
    await replays.cancel(cancelled);
    const completed = await create();
    // Nothing is left for it to open.
    await pool.query("UPDATE delivery SET reason = 'test', status = 'cancelled' WHERE customer_id = $1", [
      customerId,
    ]);
    await createReplayRunner({ ...resuming() }).run(ALL);
    await createReplayRunner({ ...resuming() }).run(ALL);
    await tell();
    expect(await told()).toMatchObject([
      { data: { replayId: encodeId('rpl', cancelled), state: 'cancelled', matched: 2 } },
      { data: { replayId: encodeId('rpl', completed), state: 'completed', done: 0, failed: 0 } },
    ]);
  });
});

describe('telling', () => {
  it('goes to the operator’s endpoints and the owner’s notificationUrl, and to no other endpoint of theirs', async () => {
    const { id } = await pipeline.addEndpoint('posthorn', {
      url: receiver.url,
      eventTypes: ['posthorn.endpoint.*'],
    });
    await pipeline.addEndpoint(customerId, { url: receiver.url });
    expect(await pipeline.setNotificationUrl(customerId, `${receiver.url}/owner`)).toMatch(/^whsec_/);
    await note();
    await tell();
    const [toOperator] = await told();
    const [toOwner] = await told(customerId);
    expect(toOperator).toMatchObject({ type: 'posthorn.endpoint.recovered', deliveries: 1 });
    expect(toOwner).toEqual(toOperator);
    receiver.respondWith(() => ({ status: 200 }));
    const before = receiver.requests.length;
    await attemptAll('notification');
    expect(receiver.requests.slice(before).map(({ path }) => path)).toEqual(['/owner']);
    expect((await pool.query('SELECT FROM notice')).rowCount).toBe(0);

    // What producers send does not get there.
    const { rows } = await pool.query<{ n: number }>('SELECT delivery_count AS n FROM event WHERE id = $1', [
      await pipeline.accept({ customerId, type: 'posthorn.endpoint.recovered' }),
    ]);
    expect(rows).toEqual([{ n: 1 }]);
    await pool.query('UPDATE endpoint SET deleted_at = now() WHERE id = $1', [id]);
  });

  it('follows the notificationUrl as it is changed and taken away', async () => {
    await pipeline.setNotificationUrl(customerId, `${receiver.url}/old`);
    expect(await pipeline.setNotificationUrl(customerId, `${receiver.url}/new`)).toBeNull();
    await pool.query(
      "UPDATE endpoint SET status = 'disabled', disabled_reason = 'gone' WHERE kind = 'notification'",
    );
    await pipeline.setNotificationUrl(customerId, `${receiver.url}/new`);
    await note();
    await tell();
    receiver.respondWith(() => ({ status: 200 }));
    const before = receiver.requests.length;
    await attemptAll('notification');
    expect(receiver.requests.slice(before).map(({ path }) => path)).toEqual(['/new']);
    await pipeline.setNotificationUrl(customerId, null);
    await note();
    await tell();
    expect(await told(customerId)).toHaveLength(1);
    expect(await told()).toHaveLength(2);
  });

  it('happens once when a process dies after the event was committed, and when several tell at once', async () => {
    await note();
    let died = false;
    const dying = {
      accept: async (event: Parameters<EventAcceptor['accept']>[0]) => {
        await pipeline.acceptor.accept(event);
        died = true;
        throw new Error('The process is gone');
      },
    };
    await expect(tell(dying)).rejects.toThrow('gone');
    expect(died).toBe(true);
    await Promise.all([tell(), tell(), tell()]);
    await tell();
    expect(await told()).toHaveLength(1);
  });

  it('waits while events cannot be accepted', async () => {
    await note();
    const unavailable = {
      accept: () => Promise.resolve({ kind: 'unavailable', because: 'overload' } as const),
    };
    await expect(tell(unavailable)).rejects.toThrow('unavailable');
    expect(await told()).toHaveLength(0);
    await tell();
    expect(await told()).toHaveLength(1);
  });

  it('leaves nothing about a customer that is erased', async () => {
    await pipeline.addEndpoint('posthorn', { url: receiver.url });
    await note();
    await tell();
    await note();
    const other = customerId;
    customerId = `customer-${(customers += 1)}`;
    await pipeline.addCustomer(customerId);
    await note();
    await tell();
    await pipeline.erase(other);
    // One that was noted by what had begun before.
    await note(other);
    await tell();
    expect((await pool.query('SELECT FROM notice')).rowCount).toBe(0);
    const { rows } = await pool.query<{ body: string }>(
      "SELECT body FROM event WHERE customer_id = 'posthorn'",
    );
    expect(rows.filter(({ body }) => body.includes(`"${other}"`))).toEqual([]);
    expect(await told()).toHaveLength(1);
    const orphans = await pool.query(
      "SELECT FROM delivery d WHERE customer_id = 'posthorn' AND NOT EXISTS (SELECT FROM event e WHERE e.id = d.event_id)",
    );
    expect(orphans.rowCount).toBe(0);
  });
});

/** Notes something. */
async function note(about = customerId): Promise<void> {
  await pool.query(
    `INSERT INTO notice (type, customer_id, facts)
     VALUES ('posthorn.endpoint.recovered', $1,
             '{"endpointId": "019a0000-0000-7000-8000-000000000001", "because": "enabled"}')`,
    [about],
  );
}

/** Makes one attempt of every delivery that is pending to a hidden endpoint of this test's customer. */
async function attemptAll(kind: string): Promise<void> {
  const { rows } = await pool.query<{
    id: string;
    event_id: string;
    endpoint_id: string;
    generation: number;
  }>(
    `SELECT d.id, d.event_id, d.endpoint_id, d.generation FROM delivery d JOIN endpoint e ON e.id = d.endpoint_id
      WHERE d.status = 'pending' AND e.kind = $1 AND d.customer_id = $2`,
    [kind, customerId],
  );
  for (const { id, event_id, endpoint_id, generation } of rows) {
    pipeline.endpoints.drop(endpoint_id);
    await pipeline.handle(
      { customerId, endpointId: endpoint_id, deliveryId: id, eventId: event_id, generation },
      ALL,
    );
  }
}

const resuming = () => ({
  pool,
  queue: { enqueue: () => Promise.resolve() },
  logger,
  holdLimitMs: holdLimitMs(30),
});

const enable = (id: string) => resumeEndpoint(resuming(), id, { from: 'disabled', held: 'release' });

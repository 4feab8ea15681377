import { cancelDeliveries } from '@posthorn/delivery/cancel';
import { closeDeliveries } from '@posthorn/delivery/settle';
import { encodeId } from '@posthorn/domain';
import { createTestDatabase, type OpenStream, type TestDatabase, waitUntil } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';

import { startTestConsole, type TestConsole } from '../test-support/test-console.js';
import {
  attempt,
  create,
  listen,
  type Listening,
  prepareCustomers,
  quickly,
  say,
  written,
} from './test-support/watching.js';

const streams: OpenStream[] = [];
let testDatabase: TestDatabase;
let app: TestConsole;
let pool: pg.Pool;
let key: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  app = await startTestConsole(testDatabase.url, { stream: quickly });
  pool = app.database.pool;
});
afterAll(async () => {
  app.stopWaiting();
  await app.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  key = await prepareCustomers(app);
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});

const open = async (listening: Partial<Listening> = {}) => {
  const stream = await listen(app, { token: key, ...listening });
  streams.push(stream);
  return stream;
};

describe('GET /v1/customers/{customerId}/stream', () => {
  it('tells of deliveries and attempts of the customer as they are recorded', async () => {
    const stream = await open();
    await create(pool, 'other');
    const [good, bad] = [await create(pool), await create(pool)];
    await waitUntil(() => stream.messages.length === 2);
    await attempt(pool, good, 'delivered');
    await waitUntil(() => stream.messages.length === 4);
    await attempt(pool, bad, 'failed');
    await waitUntil(() => stream.messages.length === 6);
    expect(new Set(written(stream).slice(0, 2))).toEqual(
      new Set([say('created', good), say('created', bad)]),
    );
    expect(written(stream).slice(2)).toEqual([
      say('attempted', good),
      say('delivered', good),
      say('attempted', bad),
      say('dead_lettered', bad),
    ]);
    expect(stream.messages[3]?.data).toMatchObject({
      delivery: { status: 'delivered', customerId: 'acme', attempts: 1, test: false },
      attempt: { number: 1, trigger: 'automatic', status: 'delivered', responseCode: 200, latencyMs: 5 },
    });
  });

  it('tells what ended without an attempt, and not what another customer’s did', async () => {
    const stream = await open();
    const [cancelled, expired] = [await create(pool), await create(pool)];
    const theirs = await create(pool, 'other');
    await cancelDeliveries(pool, [theirs, cancelled], ['pending'], 'requested');
    await closeDeliveries(
      pool,
      [{ id: expired, generation: 1, status: 'dead_lettered', reason: 'expired' }],
      1,
    );
    await waitUntil(() => written(stream).includes(say('cancelled', cancelled)));
    await waitUntil(() => written(stream).includes(say('dead_lettered', expired)));
    expect(stream.messages.find(({ event }) => event === 'delivery.cancelled')?.data).toEqual({
      delivery: expect.objectContaining({ status: 'cancelled', reason: 'requested', customerId: 'acme' }),
    });
    expect(stream.text()).not.toContain(encodeId('dlv', theirs));
  });

  it('tells streams of several customers each of its own only', async () => {
    const [acme, other] = [await open(), await open({ path: '/v1/customers/other/stream' })];
    const [ours, theirs] = [await create(pool), await create(pool, 'other')];
    await attempt(pool, ours, 'delivered');
    await attempt(pool, theirs, 'delivered');
    await waitUntil(() => written(acme).includes(say('delivered', ours)));
    await waitUntil(() => written(other).includes(say('delivered', theirs)));
    expect(acme.text()).not.toContain(encodeId('dlv', theirs));
    expect(other.text()).not.toContain(encodeId('dlv', ours));
  });

  it('goes on from the last id, with all that was recorded since and nothing from before', async () => {
    const first = await open();
    const before = await create(pool);
    await waitUntil(() => written(first).includes(say('created', before)));
    const left = await waitUntil(() => (/\nid: \S+\n\n$/.test(first.text()) ? first.lastId() : undefined));
    first.close();
    const missed = await create(pool);
    await attempt(pool, missed, 'delivered');
    const second = await open({ lastEventId: left });
    expect(written(second)).toEqual([
      say('created', missed),
      say('attempted', missed),
      say('delivered', missed),
    ]);
  });

  it('misses nothing that is committed late, in the same stream or in one that resumes', async () => {
    const late = await pool.connect();
    try {
      await late.query('BEGIN');
      const [one, two] = [await create(late), await create(pool)];
      await attempt(late, one, 'delivered');
      const stream = await open();
      await attempt(pool, two, 'delivered');
      await waitUntil(() => written(stream).includes(say('delivered', two)));
      const left = await waitUntil(() => stream.lastId());
      await late.query('COMMIT');
      const all = [say('created', one), say('attempted', one), say('delivered', one)];
      await waitUntil(() => all.every((line) => written(stream).includes(line)));
      const resumed = await open({ lastEventId: left });
      for (const line of all) expect(written(resumed)).toContain(line);
    } finally {
      late.release();
    }
  });

  it('numbers its messages by nothing that counts what others do', async () => {
    const stream = await open();
    await attempt(pool, await create(pool), 'delivered');
    await waitUntil(() => stream.messages.length === 3);
    const { rows } = await pool.query<{ next: string }>(
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next',
    );
    const counter = Number(rows[0]!.next);
    const numbers = stream.text().match(/(?<=^id: .*)\d+/gm) ?? [];
    expect(numbers.filter((text) => Math.abs(Number(text) - counter) < 100 && text.length > 2)).toEqual([]);
    expect(stream.lastId()).toMatch(/^[A-Za-z0-9_-]{200,300}$/);
  });

  it('refuses the last id of another customer’s stream', async () => {
    const other = await open({ path: '/v1/customers/other/stream' });
    await app.as(key).get('/v1/customers/acme/stream').set('Last-Event-ID', other.lastId()!).expect(400);
  });

  it('says that there is a gap where the last id is too old', async () => {
    const stream = await open({ lastEventId: `${Date.now() - 2 * 3_600_000}.3` });
    expect(stream.messages).toMatchObject([{ event: 'gap' }]);
  });

  it('sends comments while nothing happens', async () => {
    const stream = await open();
    await waitUntil(() => stream.text().split(': heartbeat\n').length > 2);
  });
});

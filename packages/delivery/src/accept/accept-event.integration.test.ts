import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import type { EventToAccept } from './event-to-accept.js';

const URL = 'http://127.0.0.1:9/hook';

let pipeline: OpenPipeline;

beforeAll(async () => {
  pipeline = await openPipeline();
});
afterAll(() => pipeline.close());

const event = (overrides: Partial<EventToAccept> & { customerId: string }): EventToAccept => ({
  type: 'invoice.paid',
  dataSource: '{"n":1}',
  externalId: null,
  occurredAtMs: null,
  idempotencyKey: null,
  ...overrides,
});

describe('accepting an event', () => {
  it('commits the event and one delivery per matching endpoint, and hands the pending ones to the queue', async () => {
    await pipeline.addCustomer('fan');
    const all = await pipeline.addEndpoint('fan', { url: URL });
    const matching = await pipeline.addEndpoint('fan', { url: URL, eventTypes: ['invoice.*'] });
    await pipeline.addEndpoint('fan', { url: URL, eventTypes: ['charge.failed'] });
    const paused = await pipeline.addEndpoint('fan', { url: URL });
    await pipeline.database.pool.query("UPDATE endpoint SET status = 'paused' WHERE id = $1", [paused.id]);

    const outcome = await pipeline.acceptor.accept(event({ customerId: 'fan' }));
    if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
    expect(outcome).toMatchObject({ deliveries: 3, replayed: false });
    expect(await pipeline.delivery(outcome.id, all.id)).toMatchObject({ status: 'pending' });
    expect(await pipeline.delivery(outcome.id, matching.id)).toMatchObject({ status: 'pending' });
    expect(await pipeline.delivery(outcome.id, paused.id)).toMatchObject({
      status: 'held',
      reason: 'endpoint_paused',
    });
    const jobs = pipeline.enqueued.filter(({ eventId }) => eventId === outcome.id);
    expect(jobs.map(({ endpointId }) => endpointId).sort()).toEqual([all.id, matching.id].sort());
  });

  it('stores an event that matches no endpoint', async () => {
    await pipeline.addCustomer('lonely');
    const outcome = await pipeline.acceptor.accept(event({ customerId: 'lonely' }));
    expect(outcome).toMatchObject({ kind: 'accepted', deliveries: 0 });
  });

  it('refuses an unknown customer, and accepts for it right after it was made', async () => {
    expect(await pipeline.acceptor.accept(event({ customerId: 'late' }))).toEqual({
      kind: 'unknown_customer',
    });
    await pipeline.addCustomer('late');
    expect(await pipeline.acceptor.accept(event({ customerId: 'late' }))).toMatchObject({ kind: 'accepted' });
  });

  it('never misses an endpoint made before the event, even where nobody announced it', async () => {
    await pipeline.addCustomer('fresh');
    const { acceptor } = pipeline.openAcceptor();
    expect(await acceptor.accept(event({ customerId: 'fresh' }))).toMatchObject({ deliveries: 0 });
    for (let count = 1; count <= 5; count += 1) {
      await pipeline.addEndpoint('fresh', { url: URL });
      expect(await acceptor.accept(event({ customerId: 'fresh' }))).toMatchObject({ deliveries: count });
    }
  });

  it('answers a repeat with the first event, over two processes, and refuses another event under the same key', async () => {
    await pipeline.addCustomer('repeat');
    const other = pipeline.openAcceptor().acceptor;
    const first = await pipeline.acceptor.accept(event({ customerId: 'repeat', idempotencyKey: 'k1' }));
    const again = await other.accept(event({ customerId: 'repeat', idempotencyKey: 'k1' }));
    expect(again).toEqual({ ...first, replayed: true });
    expect(
      await other.accept(event({ customerId: 'repeat', idempotencyKey: 'k1', dataSource: '{"n":2}' })),
    ).toEqual({
      kind: 'idempotency_conflict',
    });
    expect(await other.accept(event({ customerId: 'late', idempotencyKey: 'k1' }))).toMatchObject({
      replayed: false,
    });
  });

  it('takes the external id for a key as well, and does not confuse the two', async () => {
    await pipeline.addCustomer('external');
    const first = await pipeline.acceptor.accept(event({ customerId: 'external', externalId: 'inv-1' }));
    expect(
      await pipeline.acceptor.accept(
        event({ customerId: 'external', externalId: 'inv-1', idempotencyKey: 'other' }),
      ),
    ).toEqual({ ...first, replayed: true });
    expect(
      await pipeline.acceptor.accept(event({ customerId: 'external', idempotencyKey: 'inv-1' })),
    ).toMatchObject({
      replayed: false,
    });
  });

  it('refuses a pair of keys that belong to two events, by the one that the idempotency key holds', async () => {
    await pipeline.addCustomer('pairs');
    const of = (idempotencyKey: string, externalId: string) =>
      pipeline.acceptor.accept(event({ customerId: 'pairs', idempotencyKey, externalId }));
    await of('k1', 'x1');
    await of('k2', 'x2');
    expect(await of('k1', 'x2')).toEqual({ kind: 'idempotency_conflict' });
  });

  it('answers a storm of repeats from the first events, and still takes new ones', async () => {
    await pipeline.addCustomer('storm');
    const post = (key: string) =>
      pipeline.acceptor.accept(event({ customerId: 'storm', idempotencyKey: key, externalId: key }));
    const first = await Promise.all(Array.from({ length: 300 }, (_, index) => post(`s${index}`)));
    const again = await Promise.all([
      ...Array.from({ length: 900 }, (_, index) => post(`s${index % 300}`)),
      post('fresh'),
    ]);
    expect(again.at(-1)).toMatchObject({ kind: 'accepted', replayed: false });
    again
      .slice(0, -1)
      .forEach((outcome, index) => expect(outcome).toEqual({ ...first[index % 300], replayed: true }));
  });

  it('creates one event for many concurrent requests with one key', async () => {
    await pipeline.addCustomer('race');
    const acceptors = [pipeline.acceptor, pipeline.openAcceptor().acceptor];
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        acceptors[index % 2]!.accept(event({ customerId: 'race', idempotencyKey: 'once' })),
      ),
    );
    expect(
      new Set(outcomes.map((outcome) => (outcome.kind === 'accepted' ? outcome.id : outcome.kind))).size,
    ).toBe(1);
    expect(outcomes.filter((outcome) => outcome.kind === 'accepted' && !outcome.replayed)).toHaveLength(1);
    const { rows } = await pipeline.database.pool.query(
      "SELECT count(*)::int AS n FROM event WHERE customer_id = 'race'",
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('fails a bad row of a group alone', async () => {
    await pipeline.addCustomer('bad');
    // Passes every check above the database, which cannot store it: a lone NUL is no text in Postgres.
    const outcomes = await Promise.allSettled([
      pipeline.acceptor.accept(event({ customerId: 'bad' })),
      pipeline.acceptor.accept(event({ customerId: 'bad', dataSource: '"\u0000"' })),
      pipeline.acceptor.accept(event({ customerId: 'bad' })),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});

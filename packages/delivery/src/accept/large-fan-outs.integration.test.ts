import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createUuidV7 } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';

import { createDeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import type { AcceptOutcome } from './accept-event.js';
import type { EventToAccept } from './event-to-accept.js';
import { keyHashesOf } from './idempotency.js';

const ENDPOINTS = 1_000;
/** What is in memory of an event's deliveries, in a statement and on the way to the queue, at most. */
const PIECE_MAX = 100;

const silent = createLogger({ level: 'silent', role: 'test' });
let pipeline: OpenPipeline;

beforeAll(async () => {
  pipeline = await openPipeline();
});
afterAll(() => pipeline.close());

const event = (customerId: string, idempotencyKey: string | null = null): EventToAccept => ({
  customerId,
  type: 'invoice.paid',
  dataSource: '{"n":1}',
  externalId: null,
  occurredAtMs: null,
  idempotencyKey,
});

async function addLarge(customerId: string, endpoints = ENDPOINTS): Promise<void> {
  await pipeline.addCustomer(customerId);
  await pipeline.database.pool.query(
    `INSERT INTO endpoint (id, customer_id, url, event_types)
     SELECT id, $1, 'http://127.0.0.1:9/hook', '{*}' FROM unnest($2::uuid[]) AS id`,
    [customerId, Array.from({ length: endpoints }, () => createUuidV7(Date.now()))],
  );
}

async function count(table: 'event' | 'delivery', customerId: string): Promise<number> {
  const { rows } = await pipeline.database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${table} WHERE customer_id = $1`,
    [customerId],
  );
  return rows[0]?.n ?? 0;
}

/** As another process does that has claimed the keys and not committed: their events wait, whatever they wrote before. */
async function claim(customerId: string, idempotencyKeys: string[]): Promise<() => Promise<void>> {
  const client = await pipeline.database.pool.connect();
  await client.query('BEGIN');
  await client.query(
    `INSERT INTO idempotency_key (day, customer_id, key_hash, request_hash, event_id, created_at)
     SELECT day::date, $1, hash, hash, gen_random_uuid(), now()
       FROM unnest($2::bytea[]) AS hash
      CROSS JOIN generate_series(current_date - 1, current_date + 1, interval '1 day') AS day`,
    [
      customerId,
      idempotencyKeys.map((idempotencyKey) => keyHashesOf({ idempotencyKey, externalId: null })[0]),
    ],
  );
  return async () => {
    await client.query('ROLLBACK');
    client.release();
  };
}

/** How many of our connections wait for a lock. */
async function waitingForLocks(): Promise<number> {
  const { rows } = await pipeline.database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'`,
  );
  return rows[0]?.n ?? 0;
}

const kinds = (outcomes: AcceptOutcome[]) => outcomes.map(({ kind }) => kind);

describe('an event with many deliveries', () => {
  it('is committed in one transaction while others are accepted beside it', async () => {
    await addLarge('large');
    await pipeline.addCustomer('quiet');
    await pipeline.addEndpoint('quiet', { url: 'http://127.0.0.1:9/hook' });
    const release = await claim('large', ['slow']);
    const { acceptor, routes } = pipeline.openAcceptor();
    await Promise.all([routes.get('large'), routes.get('quiet')]);
    // In the same turn of the event loop: what gathers commits together.
    const large = acceptor.accept(event('large', 'slow'));
    const beside = await Promise.all([acceptor.accept(event('quiet')), acceptor.accept(event('quiet'))]);
    expect(kinds(beside)).toEqual(['accepted', 'accepted']);
    await waitUntil(async () => (await waitingForLocks()) > 0);
    expect(kinds([await acceptor.accept(event('quiet'))])).toEqual(['accepted']);
    // All its pieces are in, and nothing of them shows.
    expect([await count('event', 'large'), await count('delivery', 'large')]).toEqual([0, 0]);
    await release();
    expect(await large).toMatchObject({ kind: 'accepted', deliveries: ENDPOINTS, replayed: false });
    expect([await count('event', 'large'), await count('delivery', 'large')]).toEqual([1, ENDPOINTS]);
  });

  it('is made, inserted and enqueued in pieces, and none of a batch before its turn', async () => {
    await addLarge('pieces');
    const statements: number[] = [];
    const { pool, clock } = pipeline.database;
    const largePool = new Proxy(pool, {
      get(target, name) {
        if (name !== 'connect') return Reflect.get(target, name) as unknown;
        return async () => {
          const client = await target.connect();
          return new Proxy(client, {
            get(connection, property) {
              if (property !== 'query') {
                const value: unknown = Reflect.get(connection, property);
                return typeof value === 'function' ? (value.bind(connection) as unknown) : value;
              }
              return (query: string | { text: string; values: unknown[] }) => {
                if (typeof query === 'object')
                  statements.push(...query.values.map((one) => (Array.isArray(one) ? one.length : 1)));
                return connection.query(query as string);
              };
            },
          });
        };
      },
    });
    const handedOver: number[] = [];
    const enqueuer = createDeliveryEnqueuer(
      { enqueue: (jobs) => Promise.resolve(void handedOver.push(jobs.length)) },
      silent,
    );
    let made = 0;
    const counting = { ...clock, nowMs: () => (made++, clock.nowMs()) };
    const { acceptor } = pipeline.openAcceptor({ largePool, enqueuer, clock: counting });
    const release = await claim('pieces', ['b0']);
    const batch = Array.from({ length: 5 }, (_, n) => acceptor.accept(event('pieces', `b${n}`)));
    await waitUntil(async () => (await waitingForLocks()) > 0);
    expect(made).toBe(1);
    await release();
    expect(kinds(await Promise.all(batch))).toEqual(Array.from(batch, () => 'accepted'));
    await acceptor.close();
    expect(await count('delivery', 'pieces')).toBe(5 * ENDPOINTS);
    expect(Math.max(...statements)).toBe(PIECE_MAX);
    expect(Math.max(...handedOver)).toBe(PIECE_MAX);
    expect(handedOver.reduce((sum, jobs) => sum + jobs, 0)).toBe(5 * ENDPOINTS);
  });

  it('is refused with a reason when too many deliveries of its customer wait, those of others are not', async () => {
    await addLarge('flood');
    await addLarge('patient');
    const { acceptor } = pipeline.openAcceptor({ largeWaitingMax: 3 * ENDPOINTS });
    const release = await claim('flood', ['f0']);
    const first = acceptor.accept(event('flood', 'f0'));
    await waitUntil(async () => (await waitingForLocks()) > 0);
    const rest = Array.from({ length: 20 }, (_, n) => acceptor.accept(event('flood', `f${n + 1}`)));
    const patient = acceptor.accept(event('patient'));
    const refused = (await Promise.all(rest.slice(3))).map((outcome) => outcome);
    expect(new Set(refused.map((outcome) => JSON.stringify(outcome)))).toEqual(
      new Set([JSON.stringify({ kind: 'unavailable', because: 'fan_out' })]),
    );
    await release();
    expect(kinds(await Promise.all([first, ...rest.slice(0, 3), patient]))).toEqual(
      Array.from({ length: 5 }, () => 'accepted'),
    );
    expect(await count('delivery', 'flood')).toBe(4 * ENDPOINTS);
  });

  it('takes an endpoint made before it, and is one event whoever sends its key at the same time', async () => {
    await addLarge('fresh');
    const [one, other] = [pipeline.openAcceptor().acceptor, pipeline.openAcceptor().acceptor];
    expect(await one.accept(event('fresh'))).toMatchObject({ deliveries: ENDPOINTS });
    await pipeline.addEndpoint('fresh', { url: 'http://127.0.0.1:9/hook' });
    expect(await one.accept(event('fresh'))).toMatchObject({ deliveries: ENDPOINTS + 1 });
    const before = await count('delivery', 'fresh');
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, n) => (n % 2 ? one : other).accept(event('fresh', 'once'))),
    );
    expect(
      new Set(outcomes.map((outcome) => (outcome.kind === 'accepted' ? outcome.id : ''))),
    ).toHaveProperty('size', 1);
    expect(outcomes.filter((outcome) => outcome.kind === 'accepted' && !outcome.replayed)).toHaveLength(1);
    expect(await one.accept({ ...event('fresh', 'once'), dataSource: '{}' })).toEqual({
      kind: 'idempotency_conflict',
    });
    expect(await count('delivery', 'fresh')).toBe(before + ENDPOINTS + 1);
  });

  it('is refused for a customer that is erased, and leaves nothing behind when its transaction is cut off', async () => {
    await addLarge('cut');
    const { acceptor, routes } = pipeline.openAcceptor();
    await routes.get('cut');
    const release = await claim('cut', ['c']);
    const cut = acceptor.accept(event('cut', 'c'));
    await waitUntil(async () => (await waitingForLocks()) > 0);
    await pipeline.database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'`,
    );
    expect(await cut).toEqual({ kind: 'unavailable', because: 'database' });
    await release();
    expect([await count('event', 'cut'), await count('delivery', 'cut')]).toEqual([0, 0]);
    await pipeline.database.pool.query("UPDATE customer SET erased_at = now() WHERE id = 'cut'");
    expect(await acceptor.accept(event('cut', 'd'))).toEqual({ kind: 'unknown_customer' });
  });
});

it('a customer with many small events at once does not make others wait for more than its share', async () => {
  await pipeline.addCustomer('busy');
  await pipeline.addEndpoint('busy', { url: 'http://127.0.0.1:9/hook' });
  await pipeline.addCustomer('calm');
  const { acceptor, routes } = pipeline.openAcceptor();
  await routes.get('busy');
  // Events far beyond its share wait: those before them are committed, and so is whatever comes from others.
  const release = await claim('busy', ['k2000', 'k2900']);
  const busy = Array.from({ length: 3_000 }, (_, n) => acceptor.accept(event('busy', `k${n}`)));
  expect(kinds([await acceptor.accept(event('calm'))])).toEqual(['accepted']);
  await waitUntil(async () => (await waitingForLocks()) > 0);
  expect(kinds([await acceptor.accept(event('calm'))])).toEqual(['accepted']);
  await release();
  expect(new Set(kinds(await Promise.all(busy)))).toEqual(new Set(['accepted']));
  expect(await count('event', 'busy')).toBe(3_000);
});

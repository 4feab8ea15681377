import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Database, openDatabase, ensurePartitions, type Page } from '@posthorn/database';
import { createUuidV7, deliveryIdOf, firstUuidAt } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';

import { type AttemptStore, createAttemptStore } from './attempt-store.sql.js';
import { scannedRowsMax } from './bounded-scan.js';
import { createDeliveryStore, type DeliveryStore, type ListDeliveriesQuery } from './delivery-store.sql.js';
import { createEventStore, type EventStore } from './event-store.sql.js';

const nowMs = Date.now();
const endpointId = createUuidV7(nowMs);
let testDatabase: TestDatabase;
let database: Database;
let events: EventStore;
let deliveries: DeliveryStore;
let attempts: AttemptStore;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({
    url: testDatabase.url,
    poolMax: 5,
    logger: createLogger({ level: 'silent', role: 'test' }),
  });
  await ensurePartitions(database.pool, { nowMs });
  events = createEventStore(database);
  deliveries = createDeliveryStore(database);
  attempts = createAttemptStore(database);
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});
beforeEach(() => database.pool.query('TRUNCATE event, delivery, attempt'));

describe('events', () => {
  it('are read back as they were stored', async () => {
    const id = createUuidV7(nowMs);
    const body = `{"id":"x","data": {"n":12345678901234567890}}`;
    await database.pool.query(
      `INSERT INTO event VALUES ($1, 'acme', 'a.b', 'ext-1', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', $2, 3)`,
      [id, body],
    );
    const summary = {
      id,
      customerId: 'acme',
      type: 'a.b',
      externalId: 'ext-1',
      occurredAt: new Date('2026-01-01T00:00:00Z'),
      acceptedAt: new Date('2026-01-02T00:00:00Z'),
      deliveryCount: 3,
      test: false,
    };
    expect(await events.get(id)).toEqual({ ...summary, body });
    expect((await events.list({ limit: 5, before: null })).items).toEqual([summary]);
    expect(await events.get(createUuidV7(nowMs))).toBeNull();
  });

  it('come in pages, newest first, each once, also those of one millisecond and across days', async () => {
    const made = [];
    for (const atMs of [nowMs - 86_400_000, nowMs, nowMs, nowMs, nowMs, nowMs + 1, nowMs + 86_400_000]) {
      made.push(await insertEvent({ atMs }));
    }
    await insertEvent({ atMs: nowMs, customerId: 'other' });
    const pages = await allPages((before) => events.list({ customerId: 'acme', limit: 2, before }));
    expect(pages.map((page) => page.length)).toEqual([2, 2, 2, 1]);
    expect(pages.flat()).toEqual(made.toSorted().toReversed());
  });

  it('are bounded by the time of acceptance: since is in, until is out', async () => {
    const made = [];
    for (const offsetMs of [-2, -1, 0, 1, 2]) made.push(await insertEvent({ atMs: nowMs + offsetMs }));
    const list = async (sinceMs?: number, untilMs?: number, before: string | null = null) =>
      (await events.list({ limit: 10, before, sinceMs, untilMs })).items.map(({ id }) => id).toReversed();
    expect(await list(nowMs - 1, nowMs + 1)).toEqual([made[1], made[2]]);
    expect(await list(nowMs - 1, nowMs + 1, made[2])).toEqual([made[1]]);
    expect(await list(nowMs + 2)).toEqual([made[4]]);
    expect(await list(undefined, nowMs - 1)).toEqual([made[0]]);
  });

  it('of a rare type are all found, while no page looks at more than a bounded number of rows', async () => {
    const rare = [await insertEvent({ atMs: nowMs, type: 'rare' })];
    await insertNoise('event', 2 * scannedRowsMax);
    rare.push(await insertEvent({ atMs: nowMs + 60_000, type: 'rare' }));

    const pages = await allPages((before) =>
      events.list({ customerId: 'acme', type: 'rare', limit: 2, before }),
    );
    expect(pages.flat()).toEqual(rare.toReversed());
    // The first page stops looking before it reaches the older one, and says where to go on.
    expect(pages.map((page) => page.length)).toEqual([1, 0, 1]);

    const bounded = await events.list({ type: 'rare', limit: 2, before: null, sinceMs: nowMs + 60_000 });
    expect(bounded).toMatchObject({ items: [{ id: rare[1] }], next: null });
  });

  it('of a frequent type come in full pages', async () => {
    await insertNoise('event', 10);
    await insertEvent({ atMs: nowMs });
    const pages = await allPages((before) => events.list({ type: 'noise', limit: 4, before }));
    expect(pages.map((page) => page.length)).toEqual([4, 4, 2]);
  });
});

describe('deliveries', () => {
  it('are found by id', async () => {
    const id = await insertDelivery({ atMs: nowMs, status: 'dead_lettered' });
    expect(await deliveries.get(id)).toMatchObject({
      id,
      endpointId,
      customerId: 'acme',
      status: 'dead_lettered',
      reason: 'x',
    });
    expect(await deliveries.get(createUuidV7(nowMs))).toBeNull();
  });

  it('of one event are found without its neighbours of the same millisecond', async () => {
    const eventId = createUuidV7(nowMs);
    const endpointIds = [createUuidV7(nowMs), createUuidV7(nowMs), createUuidV7(nowMs)];
    for (const id of endpointIds) await insertDelivery({ atMs: nowMs, eventId, toEndpoint: id });
    await insertDelivery({ atMs: nowMs });
    await insertDelivery({ atMs: nowMs + 1 });

    const pages = await allPages((before) => deliveries.list({ eventId, limit: 2, before }));
    expect(pages.map((page) => page.length)).toEqual([2, 1]);
    expect(pages.flat().toSorted()).toEqual(endpointIds.map((id) => deliveryIdOf(eventId, id)).toSorted());
  });

  it('are filtered by customer, endpoint, type, status and time, alone and together', async () => {
    const toEndpoint = createUuidV7(nowMs);
    const wanted = await insertDelivery({ atMs: nowMs, toEndpoint, type: 'a', status: 'dead_lettered' });
    const others = {
      customer: await insertDelivery({
        atMs: nowMs,
        toEndpoint,
        type: 'a',
        status: 'dead_lettered',
        customerId: 'other',
      }),
      endpoint: await insertDelivery({ atMs: nowMs, type: 'a', status: 'dead_lettered' }),
      type: await insertDelivery({ atMs: nowMs, toEndpoint, type: 'b', status: 'dead_lettered' }),
      status: await insertDelivery({ atMs: nowMs, toEndpoint, type: 'a', status: 'delivered' }),
      time: await insertDelivery({ atMs: nowMs - 1000, toEndpoint, type: 'a', status: 'dead_lettered' }),
    };
    const filters: Record<keyof typeof others, Partial<ListDeliveriesQuery>> = {
      customer: { customerId: 'acme' },
      endpoint: { endpointId: toEndpoint },
      type: { type: 'a' },
      status: { status: 'dead_lettered' },
      time: { sinceMs: nowMs - 500 },
    };
    const names = Object.keys(filters) as (keyof typeof filters)[];
    const list = async (chosen: typeof names) => {
      const query = chosen.reduce<ListDeliveriesQuery>((all, name) => ({ ...all, ...filters[name] }), {
        limit: 50,
        before: null,
      });
      return (await deliveries.list(query)).items.map(({ id }) => id).toSorted();
    };
    for (const name of names) {
      const left = Object.entries(others).flatMap(([other, id]) => (other === name ? [] : [id]));
      expect(await list([name])).toEqual([wanted, ...left].toSorted());
      expect(await list(names.filter((other) => other !== name))).toEqual([wanted, others[name]].toSorted());
    }
    expect(await list(names)).toEqual([wanted]);
  });

  it('of a rare status come in full pages, however many others lie between', async () => {
    const rare = [await insertDelivery({ atMs: nowMs, status: 'dead_lettered' })];
    await insertNoise('delivery', scannedRowsMax + 100);
    rare.push(await insertDelivery({ atMs: nowMs + 60_000, status: 'dead_lettered' }));
    for (const filter of [{ customerId: 'acme' }, { customerId: 'acme', endpointId }, { endpointId }, {}]) {
      const pages = await allPages((before) =>
        deliveries.list({ ...filter, status: 'dead_lettered', limit: 2, before }),
      );
      expect(pages).toEqual([rare.toReversed()]);
    }
  });

  it('of a rare type are all found, while no page looks at more than a bounded number of rows', async () => {
    const rare = [await insertDelivery({ atMs: nowMs, type: 'rare' })];
    await insertNoise('delivery', scannedRowsMax + 100);
    rare.push(await insertDelivery({ atMs: nowMs + 60_000, type: 'rare' }));
    for (const filter of [{ customerId: 'acme' }, { customerId: 'acme', endpointId }, {}]) {
      const pages = await allPages((before) =>
        deliveries.list({ ...filter, type: 'rare', limit: 2, before }),
      );
      expect(pages).toEqual([[rare[1]], [rare[0]]]);
    }
  });
});

describe('attempts', () => {
  it('come by number, the latest first, in pages', async () => {
    const deliveryId = await insertDelivery({ atMs: nowMs });
    for (const number of [1, 2, 3]) {
      await database.pool.query(
        `INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, request_headers, response_headers,
           response_body, started_at) VALUES ($1, $2, 'automatic', 'failed', 500, 12, '{"b":"1","a":"2"}', '{"x":"y"}', $3, now())`,
        [deliveryId, number, Buffer.from([0, 255, number])],
      );
    }
    const first = await attempts.list({ deliveryId, limit: 2, before: null });
    expect(first.items.map(({ number }) => number)).toEqual([3, 2]);
    expect(first.items[0]).toMatchObject({ requestHeaders: { b: '1', a: '2' }, responseHeaders: { x: 'y' } });
    expect(Buffer.from(first.items[0]!.responseBody!)).toEqual(Buffer.from([0, 255, 3]));
    const second = await attempts.list({ deliveryId, limit: 2, before: first.next });
    expect(second).toMatchObject({ items: [{ number: 1 }], next: null });
  });
});

async function allPages(list: (before: string | null) => Promise<Page<{ id: string }>>): Promise<string[][]> {
  const pages: string[][] = [];
  let before: string | null = null;
  do {
    const page = await list(before);
    pages.push(page.items.map(({ id }) => id));
    before = page.next;
  } while (before !== null && pages.length < 20);
  return pages;
}

async function insertEvent({
  atMs,
  customerId = 'acme',
  type = 'a.b',
}: {
  atMs: number;
  customerId?: string;
  type?: string;
}) {
  const id = createUuidV7(atMs);
  await database.pool.query(`INSERT INTO event VALUES ($1, $2, $3, NULL, now(), now(), '{}', 0)`, [
    id,
    customerId,
    type,
  ]);
  return id;
}

interface DeliveryFacts {
  atMs: number;
  eventId?: string;
  toEndpoint?: string;
  customerId?: string;
  type?: string;
  status?: string;
}

async function insertDelivery(facts: DeliveryFacts): Promise<string> {
  const {
    atMs,
    eventId = createUuidV7(atMs),
    toEndpoint = endpointId,
    customerId = 'acme',
    type = 'a.b',
  } = facts;
  const id = deliveryIdOf(eventId, toEndpoint);
  await database.pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, expires_at, created_at, finished_at)
     VALUES ($1, $2, $3, $4, $5, $6::text, CASE WHEN $6 <> 'delivered' THEN 'x' END, now(), now(), now())`,
    [id, eventId, toEndpoint, customerId, type, facts.status ?? 'delivered'],
  );
  return id;
}

/** Rows one millisecond apart from now on, of type `noise`. */
async function insertNoise(table: 'event' | 'delivery', count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, n) => firstUuidAt(nowMs + 1 + n));
  await database.pool.query(
    table === 'event'
      ? `INSERT INTO event SELECT id, 'acme', 'noise', NULL, now(), now(), '{}', 0 FROM unnest($1::uuid[]) id`
      : `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, expires_at, created_at, finished_at)
         SELECT delivery_id(id, '${endpointId}'), id, '${endpointId}', 'acme', 'noise', 'delivered', now(), now(), now()
           FROM unnest($1::uuid[]) id`,
    [ids],
  );
}

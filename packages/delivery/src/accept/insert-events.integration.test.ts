import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePartitions, partitionDaysAhead } from '@posthorn/database';
import { createUuidV7, encodeId } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { createHash } from 'node:crypto';
import pg from 'pg';

import { eventToInsert } from '../test-support/event-to-insert.js';
import { findFirstEvents } from './find-first-events.sql.js';
import { insertEvents, type EventToInsert } from './insert-events.sql.js';

const DAY_MS = 86_400_000;
const ENDPOINT = '019a0000-0000-7000-8000-000000000001';

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 8 });
  await ensurePartitions(pool, { nowMs: Date.now() - DAY_MS });
  await ensurePartitions(pool, { nowMs: Date.now() });
  await pool.query("INSERT INTO customer (id, endpoints_version) VALUES ('acme', 0)");
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('insertEvents', () => {
  it('commits an event with its deliveries, and the body byte for byte', async () => {
    const body = '{"id":"x","data":{"n":12345678901234567890,"f":1.0,"s":"\\u0000\\"ü"}}';
    const event = eventOf({ body });
    expect(await insertEvents(pool, [event], DAY_MS)).toEqual(['accepted']);

    const { rows } = await pool.query('SELECT body, delivery_count FROM event WHERE id = $1', [event.id]);
    expect(rows).toEqual([{ body, delivery_count: 1 }]);
    const deliveries = await pool.query(
      'SELECT id, status, generation, attempts FROM delivery WHERE event_id = $1',
      [event.id],
    );
    expect(deliveries.rows).toEqual([
      { id: event.deliveries[0]?.deliveryId, status: 'pending', generation: 1, attempts: 0 },
    ]);
  });

  it('refuses a second delivery of the same event to the same endpoint, by the primary key', async () => {
    const event = eventOf({});
    await insertEvents(pool, [event], DAY_MS);
    await expect(
      pool.query(
        `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
         SELECT $1::uuid, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at
           FROM delivery WHERE id = $1`,
        [event.deliveries[0]?.deliveryId],
      ),
    ).rejects.toThrow(/duplicate key/);
    await expect(
      pool.query(
        `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
         SELECT $2::uuid, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at
           FROM delivery WHERE id = $1`,
        [event.deliveries[0]?.deliveryId, createUuidV7(Date.now())],
      ),
    ).rejects.toThrow(/violates check constraint/);
  });

  it('leaves out events of unknown customers and of stale routes, and accepts the others of the batch', async () => {
    const events = [
      eventOf({}),
      eventOf({ customerId: 'nobody' }),
      eventOf({ endpointsVersion: 7 }),
      eventOf({}),
    ];
    expect(await insertEvents(pool, events, DAY_MS)).toEqual([
      'accepted',
      'unknown_customer',
      'stale_routes',
      'accepted',
    ]);
    const { rows } = await pool.query('SELECT id FROM event WHERE id = ANY ($1)', [
      events.map(({ id }) => id),
    ]);
    expect(rows).toHaveLength(2);
  });

  it('lets one of many concurrent duplicates win, and the others find it', async () => {
    const keyHash = hash('concurrent');
    const events = Array.from({ length: 24 }, () => eventOf({ keyHashes: [keyHash] }));
    const outcomes = await Promise.all(events.map((event) => insertEvents(pool, [event], DAY_MS)));
    expect(outcomes.flat().filter((outcome) => outcome === 'accepted')).toHaveLength(1);
    expect(outcomes.flat().filter((outcome) => outcome === 'duplicate')).toHaveLength(23);
    const first = await firstOf([keyHash], Date.now() - DAY_MS);
    expect(events.map(({ id }) => id)).toContain(first?.id);
  });

  it('lets one of two duplicates in the same batch win', async () => {
    const keyHash = hash('same batch');
    const events = [eventOf({ keyHashes: [keyHash] }), eventOf({ keyHashes: [keyHash] })];
    const outcomes = await insertEvents(pool, events, DAY_MS);
    expect(outcomes.sort()).toEqual(['accepted', 'duplicate']);
  });

  it('does not deadlock on batches that hold the same keys in opposite order', async () => {
    const hashes = Array.from({ length: 50 }, (_, index) => hash(`opposite ${index}`));
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, batch) =>
        insertEvents(
          pool,
          (batch % 2 === 0 ? hashes : [...hashes].reverse()).map((keyHash) =>
            eventOf({ keyHashes: [keyHash] }),
          ),
          DAY_MS,
        ),
      ),
    );
    expect(outcomes.flat().filter((outcome) => outcome === 'accepted')).toHaveLength(50);
  });

  it('takes a key of yesterday for a duplicate within the window and for a new one after it', async () => {
    const keyHash = hash('window');
    const noonMs = Math.floor(Date.now() / DAY_MS) * DAY_MS + DAY_MS / 2;
    const at = (acceptedAtMs: number) => [eventOf({ keyHashes: [keyHash], acceptedAtMs })];
    expect(await insertEvents(pool, at(noonMs - DAY_MS), DAY_MS)).toEqual(['accepted']);
    expect(await insertEvents(pool, at(noonMs - 1_000), DAY_MS)).toEqual(['duplicate']);
    const later = at(noonMs + 1_000);
    expect(await insertEvents(pool, later, DAY_MS)).toEqual(['accepted']);
    expect(await insertEvents(pool, at(noonMs + 2_000), DAY_MS)).toEqual(['duplicate']);
    expect(await firstOf([keyHash], noonMs + 2_000 - DAY_MS)).toMatchObject({
      id: later[0]?.id,
    });
  });

  it('finds the event of a key that is just past the window when the day has just begun', async () => {
    const keyHash = hash('just past');
    const midnightMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const first = eventOf({ keyHashes: [keyHash], acceptedAtMs: midnightMs - DAY_MS + 20_000 });
    expect(await insertEvents(pool, [first], DAY_MS)).toEqual(['accepted']);
    const repeatMs = midnightMs + 30_000;
    expect(
      await insertEvents(pool, [eventOf({ keyHashes: [keyHash], acceptedAtMs: repeatMs })], DAY_MS),
    ).toEqual(['duplicate']);
    expect(await firstOf([keyHash], repeatMs - DAY_MS)).toMatchObject({ id: first.id });
  });

  it('lets one of two concurrent duplicates on both sides of midnight win', async () => {
    const midnightMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    for (let round = 0; round < 10; round += 1) {
      const keyHash = hash(`midnight ${round}`);
      const outcomes = await Promise.all([
        insertEvents(pool, [eventOf({ keyHashes: [keyHash], acceptedAtMs: midnightMs - 5 })], DAY_MS),
        insertEvents(pool, [eventOf({ keyHashes: [keyHash], acceptedAtMs: midnightMs + 5 })], DAY_MS),
      ]);
      expect(outcomes.flat().sort()).toEqual(['accepted', 'duplicate']);
    }
  });

  it('leaves no key behind for an event that lost its other claim, alone or in a batch, at any time of the day', async () => {
    const midnightMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    for (let round = 0; round < 5; round += 1) {
      const [first, second, third] = [hash(`a${round}`), hash(`b${round}`), hash(`c${round}`)];
      await Promise.all([
        insertEvents(
          pool,
          [eventOf({ keyHashes: [first, second], acceptedAtMs: midnightMs + 10 }), eventOf({})],
          DAY_MS,
        ),
        insertEvents(
          pool,
          [eventOf({ keyHashes: [third, second], acceptedAtMs: midnightMs + 20 }), eventOf({})],
          DAY_MS,
        ),
        insertEvents(pool, [eventOf({ keyHashes: [first], acceptedAtMs: midnightMs - 10 })], DAY_MS),
        insertEvents(pool, [eventOf({ keyHashes: [third] })], DAY_MS),
      ]);
    }
    expect(await orphanedKeys()).toBe(0);
  });

  it('commits nothing of a batch that fails, whatever keys its events have', async () => {
    const good = eventOf({});
    const bad = eventOf({ keyHashes: [hash('bad 1'), hash('bad 2')], body: 'a lone \u0000' });
    await expect(insertEvents(pool, [good, bad], DAY_MS)).rejects.toThrow();
    const { rows } = await pool.query('SELECT id FROM event WHERE id = ANY ($1)', [[good.id, bad.id]]);
    expect(rows).toEqual([]);
    expect(await insertEvents(pool, [good], DAY_MS)).toEqual(['accepted']);
  });

  it('claims both keys of an event or neither', async () => {
    const [key, external] = [hash('key'), hash('external')];
    expect(await insertEvents(pool, [eventOf({ keyHashes: [external] })], DAY_MS)).toEqual(['accepted']);
    expect(await insertEvents(pool, [eventOf({ keyHashes: [key, external] })], DAY_MS)).toEqual([
      'duplicate',
    ]);
    expect(await orphanedKeys()).toBe(0);
    expect(await insertEvents(pool, [eventOf({ keyHashes: [key] })], DAY_MS)).toEqual(['accepted']);
  });
});

describe('ensurePartitions', () => {
  it('makes every table its days ahead, once, also when asked by several at once', async () => {
    const [first, second] = await Promise.all([
      ensurePartitions(pool, { nowMs: Date.now(), daysAhead: 20 }),
      ensurePartitions(pool, { nowMs: Date.now(), daysAhead: 20 }),
    ]);
    expect(first.length + second.length).toBe(6 * 6);
    expect(await partitionDaysAhead(pool, Date.now())).toBe(20);
  });
});

async function firstOf(keyHashes: Buffer[], sinceMs: number) {
  const [first] = await findFirstEvents(pool, [{ customerId: 'acme', keyHashes }], {
    sinceMs,
    untilMs: sinceMs + DAY_MS,
  });
  return first;
}

/** Keys that stand for an event which does not exist: nobody could ever be answered with it. */
async function orphanedKeys(): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM idempotency_key k WHERE NOT EXISTS (SELECT FROM event e WHERE e.id = k.event_id)',
  );
  return rows[0]?.n ?? -1;
}

function eventOf(overrides: Partial<EventToInsert>): EventToInsert {
  const event = eventToInsert({
    endpointId: ENDPOINT,
    requestHash: overrides.keyHashes ? hash('request') : null,
    ...overrides,
  });
  return { ...event, body: overrides.body ?? JSON.stringify({ id: encodeId('evt', event.id) }) };
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

import { createUuidV7, deliveryIdOf } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { ensurePartitions } from './partitions.js';

const ENDPOINT = '019a0000-0000-7000-8000-000000000001';

let database: TestDatabase;
let pool: pg.Pool;
let eventId: string;
let deliveryId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
  await ensurePartitions(pool, { nowMs: Date.now() });
  eventId = createUuidV7(Date.now());
  deliveryId = deliveryIdOf(eventId, ENDPOINT);
  await pool.query(
    `INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
     VALUES ($1, 'acme', 'invoice.paid', now(), now(), '{}', 1)`,
    [eventId],
  );
  await pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
     VALUES ($1, $2, $3, 'acme', 'invoice.paid', 'pending', now(), now(), now())`,
    [deliveryId, eventId, ENDPOINT],
  );
  await pool.query(
    `INSERT INTO attempt (delivery_id, number, trigger, status, latency_ms, request_headers, started_at)
     VALUES ($1, 1, 'automatic', 'failed', 3, '{}', now())`,
    [deliveryId],
  );
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Sets columns of the one row of a table, and takes it back. */
async function setting(table: string, changes: string): Promise<void> {
  await pool.query('BEGIN');
  try {
    const { rowCount } = await pool.query(`UPDATE ${table} SET ${changes}`);
    expect(rowCount).toBe(1);
  } finally {
    await pool.query('ROLLBACK');
  }
}

describe('a delivery', () => {
  it.each([
    'attempts = 2, attempts_before = 2',
    "waiting_for = 'retry'",
    "waiting_for = 'breaker'",
    "waiting_for = 'rate_limit'",
    "waiting_for = 'concurrency'",
    "status = 'held', next_attempt_at = NULL, reason = 'endpoint_paused'",
    "status = 'delivered', next_attempt_at = NULL, finished_at = now()",
    "status = 'dead_lettered', next_attempt_at = NULL, finished_at = now(), reason = 'exhausted'",
    "status = 'cancelled', next_attempt_at = NULL, finished_at = now(), reason = 'requested'",
    'attempts = 3, replayed_after = 3',
  ])('may have %s', async (changes) => {
    await setting('delivery', changes);
  });

  it.each([
    "status = 'unheard_of'",
    'generation = 0',
    'attempts = -1',
    'attempts_before = -1',
    'attempts_before = 1',
    'replayed_after = -1',
    'replayed_after = 1',
    "waiting_for = 'godot'",
    'next_attempt_at = NULL',
    'finished_at = now()',
    "status = 'held', next_attempt_at = NULL",
    "status = 'held', reason = 'endpoint_paused'",
    "status = 'held', next_attempt_at = NULL, reason = 'endpoint_paused', waiting_for = 'retry'",
    "status = 'held', next_attempt_at = NULL, reason = 'endpoint_paused', finished_at = now()",
    "status = 'delivered', next_attempt_at = NULL",
    "status = 'delivered', finished_at = now()",
    "status = 'delivered', next_attempt_at = NULL, finished_at = now(), waiting_for = 'retry'",
    "status = 'delivered', next_attempt_at = NULL, finished_at = now(), reason = 'requested'",
    "reason = 'endpoint_paused'",
    "status = 'dead_lettered', next_attempt_at = NULL, finished_at = now()",
    "status = 'dead_lettered', next_attempt_at = NULL, reason = 'exhausted'",
    "status = 'dead_lettered', finished_at = now(), reason = 'exhausted'",
    "status = 'dead_lettered', next_attempt_at = NULL, finished_at = now(), reason = 'exhausted', waiting_for = 'retry'",
    "status = 'cancelled', next_attempt_at = NULL, finished_at = now()",
    "status = 'cancelled', next_attempt_at = NULL, reason = 'requested'",
    "status = 'cancelled', finished_at = now(), reason = 'requested'",
    "status = 'cancelled', next_attempt_at = NULL, finished_at = now(), reason = 'requested', waiting_for = 'retry'",
    "endpoint_id = '019a0000-0000-7000-8000-000000000002'",
    "event_id = '019a0000-0000-7000-8000-000000000003'",
  ])('cannot have %s', async (changes) => {
    await expect(setting('delivery', changes)).rejects.toThrow(/violates check constraint "delivery_sound"/);
  });

  it('cannot have an id of another millisecond than its event', async () => {
    const last = deliveryId[12] === '0' ? '1' : '0';
    const other = `${deliveryId.slice(0, 12)}${last}${deliveryId.slice(13)}`;
    await expect(setting('delivery', `id = '${other}'`)).rejects.toThrow(
      /violates check constraint "delivery_sound"/,
    );
  });
});

describe('an attempt', () => {
  it.each([
    "trigger = 'replay'",
    "trigger = 'test'",
    "status = 'overlapped'",
    "next_because = 'retry_after'",
  ])('may have %s', async (changes) => {
    await setting('attempt', changes);
  });

  it.each([
    'number = 0',
    "trigger = 'whim'",
    "status = 'unheard_of'",
    'latency_ms = -1',
    "next_because = 'whim'",
  ])('cannot have %s', async (changes) => {
    await expect(setting('attempt', changes)).rejects.toThrow(/violates check constraint "attempt_sound"/);
  });
});

describe('an event', () => {
  it.each(['delivery_count = -1', 'added_deliveries = -1'])('cannot have %s', async (changes) => {
    await expect(setting('event', changes)).rejects.toThrow(/violates check constraint "event_sound"/);
  });
});

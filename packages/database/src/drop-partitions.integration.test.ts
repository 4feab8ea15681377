import { createUuidV7, deliveryIdOf } from '@posthorn/domain';
import { createTestDatabase, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { dropOldPartitions } from './drop-partitions.js';
import { ensurePartitions } from './partitions.js';
import { DAY_MS, isoDay, startOfDay } from './utc-day.js';

const ENDPOINT = '019a0000-0000-7000-8000-000000000001';
const HISTORY = ['attempt', 'delivery', 'event', 'one_shot', 'statistic'];
const TABLES = [...HISTORY, 'idempotency_key'].sort();
// Noon of a day whose partitions are made with those of the day before it and one day ahead.
const OLD_MS = Date.UTC(2026, 0, 10, 12);
const RETENTION_DAYS = 30;
/** The first moment at which the old day is past its retention. */
const DUE_MS = startOfDay(OLD_MS) + (1 + RETENTION_DAYS) * DAY_MS;

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  await ensurePartitions(pool, { nowMs: OLD_MS, daysAhead: 0 });
});
afterEach(async () => {
  await pool.query(
    'UPDATE delivery SET status = $1, reason = NULL, next_attempt_at = NULL, finished_at = now()',
    ['delivered'],
  );
  await dropAt(Date.UTC(2027, 0, 1));
  expect(await partitions()).toEqual([]);
});

const dropAt = (nowMs: number) =>
  dropOldPartitions(pool, { nowMs, retentionDays: RETENTION_DAYS, idempotencyWindowHours: 24 });

async function partitions(): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '_[0-9]{8}$' ORDER BY relname",
  );
  return rows.map(({ name }) => name);
}

const ofDay = (ms: number, tables = TABLES) =>
  tables.map((table) => `${table}_${isoDay(ms).replaceAll('-', '')}`);

async function addDelivery(atMs: number, status: 'pending' | 'held' | 'delivered'): Promise<string> {
  const eventId = createUuidV7(atMs);
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, next_attempt_at, created_at,
                           expires_at, finished_at)
     VALUES ($1, $2, $3, 'acme', 'a.b', $4, CASE WHEN $4 = 'held' THEN 'endpoint_paused' END,
             CASE WHEN $4 = 'pending' THEN now() END, now(), now() + interval '1 day',
             CASE WHEN $4 = 'delivered' THEN now() END)
     RETURNING id`,
    [deliveryIdOf(eventId, ENDPOINT), eventId, ENDPOINT, status],
  );
  return rows[0]!.id;
}

describe('dropping old partitions', () => {
  it('drops a day when its last moment is past the retention, and not a moment before', async () => {
    await addDelivery(OLD_MS, 'delivered');
    await dropAt(DUE_MS - 1);
    // The day before is due; the keys of both are out of use for long.
    expect(await partitions()).toEqual(ofDay(OLD_MS, HISTORY));
    expect((await dropAt(DUE_MS)).dropped.toSorted()).toEqual(ofDay(OLD_MS, HISTORY));
    expect(await partitions()).toEqual([]);
    expect(await dropAt(DUE_MS)).toEqual({ dropped: [], kept: [] });
  });

  it('keeps idempotency keys as long as they can be asked for, also in the first minute of the next day', async () => {
    const endOfDay = startOfDay(OLD_MS) + DAY_MS;
    const keys = () =>
      partitions().then((names) => names.filter((name) => name.startsWith('idempotency_key')));
    await dropAt(endOfDay + 2 * DAY_MS - 1);
    expect(await keys()).toEqual(ofDay(OLD_MS, ['idempotency_key']));
    await dropAt(endOfDay + 2 * DAY_MS);
    expect(await keys()).toEqual([]);
  });

  it.each(['pending', 'held'] as const)(
    'keeps a day with a %s delivery until that has ended',
    async (status) => {
      const id = await addDelivery(OLD_MS, status);
      expect(await dropAt(DUE_MS)).toMatchObject({ kept: [isoDay(OLD_MS)] });
      expect(await partitions()).toEqual(ofDay(OLD_MS, HISTORY));
      await pool.query(
        "UPDATE delivery SET status = 'delivered', reason = NULL, next_attempt_at = NULL, finished_at = now() WHERE id = $1",
        [id],
      );
      expect(await dropAt(DUE_MS)).toMatchObject({ kept: [] });
      expect(await partitions()).toEqual([]);
    },
  );

  it('keeps a day whose delivery is replayed while it is being detached', async () => {
    const id = await addDelivery(OLD_MS, 'delivered');
    const replay = await pool.connect();
    try {
      await replay.query('BEGIN');
      await replay.query(
        "UPDATE delivery SET status = 'pending', reason = NULL, next_attempt_at = now(), finished_at = NULL, generation = 2 WHERE id = $1",
        [id],
      );
      const dropping = dropAt(DUE_MS);
      await waitUntil(async () => (await waitingForLocks()) > 0);
      await replay.query('COMMIT');
      expect(await dropping).toMatchObject({ kept: [isoDay(OLD_MS)] });
    } finally {
      replay.release();
    }
    const { rows } = await pool.query('SELECT status, generation FROM delivery WHERE id = $1', [id]);
    expect(rows).toEqual([{ status: 'pending', generation: 2 }]);
  });

  it('takes up what a stopped process left: cut off while detaching, detached and not dropped', async () => {
    const id = await addDelivery(OLD_MS, 'pending');
    const reader = await pool.connect();
    const [name] = ofDay(OLD_MS, ['delivery']);
    try {
      await reader.query('BEGIN');
      await reader.query('SELECT FROM delivery');
      // The first half commits, the second waits for the reader and is cut off.
      await expect(detach(name!)).rejects.toThrow(/lock timeout/);
    } finally {
      await reader.query('COMMIT');
      reader.release();
    }
    expect((await pool.query('SELECT FROM delivery')).rowCount).toBe(0);
    expect(await dropAt(DUE_MS)).toMatchObject({ kept: [isoDay(OLD_MS)] });
    expect((await pool.query('SELECT FROM delivery WHERE id = $1', [id])).rowCount).toBe(1);

    await detach(name!);
    expect(await dropAt(DUE_MS)).toMatchObject({ kept: [isoDay(OLD_MS)] });
    expect((await pool.query('SELECT FROM delivery WHERE id = $1', [id])).rowCount).toBe(1);
  });

  it('attaches again what was detached when the retention has been made longer meanwhile', async () => {
    const [name] = ofDay(OLD_MS, ['delivery']);
    const id = await addDelivery(OLD_MS, 'delivered');
    await detach(name!);
    expect(await dropAt(DUE_MS - 1)).toMatchObject({ kept: [] });
    expect((await pool.query('SELECT FROM delivery WHERE id = $1', [id])).rowCount).toBe(1);
  });

  it('gives up soon, and is done by a later pass, when somebody holds on to a partition', async () => {
    const reader = await pool.connect();
    try {
      await reader.query('BEGIN');
      await reader.query('SELECT FROM attempt');
      await expect(dropAt(DUE_MS)).rejects.toThrow(/lock timeout/);
    } finally {
      await reader.query('COMMIT');
      reader.release();
    }
    await dropAt(DUE_MS);
    expect(await partitions()).toEqual([]);
  });

  it('leaves tables alone that only look like partitions', async () => {
    await pool.query('CREATE TABLE event_20260199 (); CREATE TABLE backup_20260101 ()');
    await dropAt(DUE_MS);
    expect(await partitions()).toEqual(['backup_20260101', 'event_20260199']);
    await pool.query('DROP TABLE event_20260199, backup_20260101');
  });
});

async function detach(name: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("SET lock_timeout = '300ms'");
    await client.query(`ALTER TABLE delivery DETACH PARTITION ${name} CONCURRENTLY`);
  } finally {
    client.release(true);
  }
}

async function waitingForLocks(): Promise<number> {
  const { rows } = await pool.query<{ waiting: number }>(
    "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
  );
  return rows[0]!.waiting;
}

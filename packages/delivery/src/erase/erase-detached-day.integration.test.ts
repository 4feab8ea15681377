import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Database, dropOldPartitions } from '@posthorn/database';
import { startReceiver, waitUntil, type Receiver } from '@posthorn/testing';
import type pg from 'pg';

import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';

const ALL = new AbortController().signal;
const DAY_MS = 86_400_000;
const TABLES = ['delivery', 'attempt', 'event', 'statistic', 'idempotency_key'];

let pipeline: OpenPipeline;
let pool: pg.Pool;
let receiver: Receiver;
let strangers: Database;

beforeAll(async () => {
  pipeline = await openPipeline();
  ({ pool } = pipeline.database);
  receiver = await startReceiver();
  strangers = pipeline.openAnother('stranger', 1);
});
afterAll(async () => {
  await strangers.close();
  await pipeline.close();
  await receiver.close();
});

/** Of one event: its delivery, attempted, and its key. Returns the day's suffix of their partitions. */
async function addHistory(customerId: string): Promise<string> {
  await pipeline.addCustomer(customerId);
  const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
  const eventId = await pipeline.accept({ customerId, idempotencyKey: 'key' });
  await pipeline.handle(pipeline.jobOf(eventId, id), ALL);
  const { rows } = await pool.query<{ name: string }>(
    'SELECT tableoid::regclass::text AS name FROM event WHERE id = $1',
    [eventId],
  );
  return rows[0]!.name.slice('event'.length);
}

/** With a retention for which no day that holds anything is over. */
const keepDays = (nowMs = Date.now()) =>
  dropOldPartitions(pool, { nowMs, retentionDays: 30, idempotencyWindowHours: 24 });

async function rowsOf(table: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
  return rows[0]!.n;
}

describe('an erasure', () => {
  it('finds the rows of a day that a stopped process left detached', async () => {
    const day = await addHistory('detached');
    for (const table of TABLES) {
      await pool.query(`ALTER TABLE ${table} DETACH PARTITION ${table}${day} CONCURRENTLY`);
    }
    expect(await pipeline.erase('detached')).toMatchObject({
      receipt: { removed: { events: 1, deliveries: 1, attempts: 1, idempotencyKeys: 1 } },
    });
    await keepDays();
    for (const table of TABLES) expect([table, await rowsOf(table)]).toEqual([table, 0]);
  });

  it('has every day left attached until it has gone through them', async () => {
    await addHistory('underway');
    const stranger = await strangers.pool.connect();
    await stranger.query("SET application_name = 'stranger'");
    await stranger.query('BEGIN');
    await stranger.query("SELECT FROM event WHERE customer_id = 'underway' FOR UPDATE");
    const erasing = pipeline.erase('underway');
    await waitUntil(async () => {
      const { rowCount } = await pool.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return rowCount === 1;
    });
    const later = Date.now() + 400 * DAY_MS;
    await expect(keepDays(later)).rejects.toThrow(/lock timeout/);
    expect(await rowsOf('event')).toBe(1);
    await stranger.query('COMMIT');
    stranger.release(true);
    expect(await erasing).toMatchObject({ receipt: { removed: { events: 1, deliveries: 1, attempts: 1 } } });
    expect(await keepDays(later)).toMatchObject({ kept: [] });
  });
});

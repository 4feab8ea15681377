import { createUuidV7, deliveryIdOf } from '@posthorn/domain';
import { createEmptyDatabase, type TestDatabase } from '@posthorn/testing';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';

import { deployMigrations } from './migrate.js';
import { ensurePartitions } from './partitions.js';

const ALL = path.resolve('prisma/migrations');
const RULE = '20261130200200_reasons_belong_to_statuses';
const ENDPOINT = '019a0000-0000-7000-8000-000000000001';

let database: TestDatabase;
let pool: pg.Pool;
let folder: string;
beforeEach(async () => {
  database = await createEmptyDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
  folder = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
});
afterEach(async () => {
  await pool.end();
  await database.drop();
  rmSync(folder, { recursive: true });
});

/** Applies these and those of the calls before. */
async function migrate(isIn: (name: string) => boolean): Promise<void> {
  for (const name of readdirSync(ALL))
    if (isIn(name)) cpSync(path.join(ALL, name), path.join(folder, name), { recursive: true });
  await deployMigrations(database.url, folder);
}

async function addDelivery(daysAgo: number, status: string, reason: string | null): Promise<string> {
  const eventId = createUuidV7(Date.now() - daysAgo * 86_400_000);
  const id = deliveryIdOf(eventId, ENDPOINT);
  await pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, created_at, expires_at, finished_at)
     VALUES ($1, $2, $3, 'acme', 'a', $4, $5, now(), now(), now())`,
    [id, eventId, ENDPOINT, status, reason],
  );
  return id;
}

it('takes the reasons of deliveries that are delivered, also one written while the rule comes, and no other', async () => {
  await migrate((name) => name < RULE || name === 'migration_lock.toml');
  for (const daysAgo of [5, 0]) await ensurePartitions(pool, { nowMs: Date.now() - daysAgo * 86_400_000 });
  const delivered = [
    await addDelivery(5, 'delivered', 'cancelled_by_request'),
    await addDelivery(0, 'delivered', 'expired'),
  ];
  const cancelled = await addDelivery(5, 'cancelled', 'cancelled_by_request');
  // In a transaction that is open while the rule comes.
  const late = new pg.Client(database.url);
  await late.connect();
  await late.query('BEGIN');
  await late.query("UPDATE delivery SET status = 'delivered', finished_at = now() WHERE id = $1", [
    cancelled,
  ]);
  await migrate((name) => name === RULE);
  await expect(addDelivery(0, 'delivered', 'expired')).rejects.toThrow('delivery_sound');
  await late.query('COMMIT');
  await late.end();

  const dead = await addDelivery(5, 'dead_lettered', 'expired');
  await migrate(() => true);
  const { rows } = await pool.query<{ id: string; reason: string | null }>('SELECT id, reason FROM delivery');
  expect(Object.fromEntries(rows.map(({ id, reason }) => [id, reason]))).toEqual({
    ...Object.fromEntries([...delivered, cancelled].map((id) => [id, null])),
    [dead]: 'expired',
  });
}, 60_000);

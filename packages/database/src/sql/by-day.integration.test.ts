import { createUuidV7 } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { ensurePartitions } from '../partitions.js';
import { byDay, type DayTables } from './by-day.js';

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2031, 4, 6, 12);

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
  await ensurePartitions(pool, { nowMs: NOON_MS, daysAhead: 1 });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const idOn = (day: number) => createUuidV7(NOON_MS + day * DAY_MS);

async function namesOf(tables: DayTables, ids: readonly string[]): Promise<string[]> {
  await pool.query(`SELECT FROM ${tables.event}, ${tables.delivery}, ${tables.attempt} LIMIT 1`);
  return ids.map((id) => (tables.firstId <= id && id < tables.lastId ? tables.delivery : 'another day'));
}

describe('byDay', () => {
  it('runs one statement for each day, gives results in the order asked for, and `gone` where there is no day', async () => {
    const runs: number[] = [];
    const results = await byDay(
      [idOn(1), idOn(0), idOn(-40), idOn(1), idOn(0)],
      (id) => id,
      (tables, ids) => {
        runs.push(ids.length);
        return namesOf(tables, ids);
      },
      'gone',
    );
    expect(results).toEqual([
      'delivery_20310507',
      'delivery_20310506',
      'gone',
      'delivery_20310507',
      'delivery_20310506',
    ]);
    expect(runs.sort()).toEqual([1, 2, 2]);
  });

  it('rejects for any other error, and only when every day has ended', async () => {
    let ended = 0;
    const failing = byDay(
      [idOn(0), idOn(1)],
      (id) => id,
      async ({ delivery }, ids) => {
        if (delivery.endsWith('06')) await pool.query('SELECT 1 / 0');
        const names = await pool.query('SELECT pg_sleep(0.05)').then(() => ids);
        ended += 1;
        return [...names];
      },
      '',
    );
    await expect(failing).rejects.toThrow(/division by zero/);
    expect(ended).toBe(1);
  });
});

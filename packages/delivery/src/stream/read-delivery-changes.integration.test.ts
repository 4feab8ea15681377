import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ensurePartitions } from '@posthorn/database';
import { countRowsRead, createTestDatabase, type TestDatabase } from '@posthorn/testing';
import pg from 'pg';

import { insertEvents } from '../accept/insert-events.sql.js';
import { cancelDeliveries } from '../cancel/cancel-deliveries.sql.js';
import { dropOldStreamOutcomes } from '../settle/record-stream-outcomes.sql.js';
import { eventToInsert } from '../test-support/event-to-insert.js';
import type { DeliveryChanges, ChangePosition } from './delivery-change.js';
import { readDeliveryChanges } from './read-delivery-changes.sql.js';

const ENDPOINT = '019a0000-0000-7000-8000-000000000001';
const DAY_MS = 86_400_000;
/** After five executions Postgres may change to a plan that does not look at the values. */
const EXECUTIONS = 9;

let database: TestDatabase;
/** One connection: its statements are prepared once, and its statistics are its own. */
let pool: pg.Pool;
let position: ChangePosition;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
  await ensurePartitions(pool, { nowMs: Date.now() });
  await pool.query("INSERT INTO customer (id, endpoints_version) VALUES ('quiet', 0), ('busy', 0)");
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  ({ position } = await readDeliveryChanges(pool, []));
});

/** What happened to `quiet` since the last reading. */
async function read(): Promise<DeliveryChanges> {
  const answer = await readDeliveryChanges(pool, [{ after: position, customerIds: ['quiet'] }]);
  position = answer.position;
  const [changes] = answer.changes;
  if (!changes) throw new Error('Every question is answered');
  return changes;
}
const kinds = ({ items }: DeliveryChanges) => items.map(({ kind }) => kind);

async function make(customerId: string, count = 1): Promise<string[]> {
  const events = Array.from({ length: count }, () =>
    eventToInsert({ endpointId: ENDPOINT, customerId, type: 'a.b' }),
  );
  for (let from = 0; from < events.length; from += 500)
    await insertEvents(pool, events.slice(from, from + 500), DAY_MS);
  return events.map(({ deliveries }) => deliveries[0]!.deliveryId);
}

const attempt = (ids: readonly string[], { each = 1, settledIn = null as string | null } = {}) =>
  pool.query(
    `INSERT INTO attempt (delivery_id, number, trigger, status, latency_ms, request_headers, started_at, settled_in)
     SELECT id, number, 'automatic', 'failed', 1, '{}', now(), COALESCE($3::text::xid8, pg_current_xact_id())
       FROM unnest($1::uuid[]) AS id, generate_series(1, $2) AS number`,
    [ids, each, settledIn],
  );

describe('reading what is new', () => {
  it('reads no more than that, by plans that were made while there was nothing', async () => {
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      await make('quiet');
      expect(kinds(await read())).toEqual(['created']);
    }
    await attempt(await make('busy', 4_000));
    expect(await read()).toEqual({ items: [], gap: false });
    const counts: number[] = [];
    for (let execution = 0; execution < EXECUTIONS; execution += 1) {
      const [attempted = '', cancelled = ''] = await make('quiet', 2);
      await attempt([attempted]);
      await cancelDeliveries(pool, [cancelled], ['pending'], 'requested');
      const rowsRead = await countRowsRead(pool, { tables: '^(delivery|event|attempt)' }, async () => {
        expect(kinds(await read())).toEqual(['created', 'created', 'attempted', 'closed']);
      });
      counts.push(rowsRead);
    }
    // Those of the last seconds, a few times over; of the busy one there are thousands.
    expect(Math.max(...counts)).toBeLessThan(600);
  });

  it('reads nothing twice', async () => {
    const [id = ''] = await make('quiet');
    await attempt([id]);
    expect(kinds(await read())).toEqual(['created', 'attempted']);
    await make('busy');
    expect(await read()).toEqual({ items: [], gap: false });
  });

  it('leaves out the end of what was opened again meanwhile', async () => {
    const ids = await make('quiet', 2);
    await read();
    await cancelDeliveries(pool, ids, ['pending'], 'requested');
    await pool.query(
      "UPDATE delivery SET status = 'pending', reason = NULL, next_attempt_at = now(), finished_at = NULL WHERE id = $1",
      [ids[0]],
    );
    const { items } = await read();
    expect(items.map(({ kind, delivery }) => [kind, delivery.id])).toEqual([['closed', ids[1]]]);
  });

  it('says so when more was attempted than is looked through', async () => {
    await attempt(await make('busy'), { each: 20_001 });
    expect(await read()).toEqual({ items: [], gap: true });
    expect(await read()).toEqual({ items: [], gap: false });
  });

  it('leaves out what was recorded under higher numbers, before the database was restored', async () => {
    await attempt(await make('quiet'), { settledIn: '9000000000000' });
    expect(kinds(await read())).toEqual(['created']);
    position = { ...position, nextXid: '9000000000000' };
    expect(await read()).toEqual({ items: [], gap: true });
  });

  it('keeps what ended without an attempt as long as a stream may be resumed', async () => {
    const [early = '', late = ''] = await make('quiet', 2);
    await cancelDeliveries(pool, [early], ['pending'], 'requested');
    await cancelDeliveries(pool, [late], ['pending'], 'requested');
    await pool.query(
      "UPDATE delivery_closing SET recorded_at = now() - interval '2 hours' WHERE $1::uuid = ANY (delivery_ids)",
      [early],
    );
    const client = await pool.connect();
    await dropOldStreamOutcomes(client);
    client.release();
    const { rows } = await pool.query<{ id: string }>(
      'SELECT unnest(delivery_ids) AS id FROM delivery_closing',
    );
    const left = rows.map(({ id }) => id);
    expect(left).toContain(late);
    expect(left).not.toContain(early);
  });
});

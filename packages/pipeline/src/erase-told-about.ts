import { idBounds } from '@posthorn/database';
import { firstUuidAt, lastUuidAt, operatorCustomerId, uuidTimeMs } from '@posthorn/domain';
import type pg from 'pg';

import { eraseDeliveryRows } from './erase-delivery-rows.js';

const BATCH = 1_000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Removes what the operator was told about a customer, and what was still to be told: both name it. */
export async function eraseToldAbout(pool: pg.Pool, customerId: string): Promise<void> {
  await pool.query('DELETE FROM notice WHERE customer_id = $1', [customerId]);
  await pool.query('DELETE FROM exhaustion WHERE customer_id = $1', [customerId]);
  for (let after = BEFORE_ALL; ;) {
    const { rows } = await pool.query<{ id: string; about: string | null }>(
      `SELECT id, body::json #>> '{data,customerId}' AS about FROM event
        WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT ${BATCH}`,
      [operatorCustomerId, after],
    );
    const last = rows.at(-1);
    if (!last) return;
    await eraseEvents(
      pool,
      rows.filter(({ about }) => about === customerId).map(({ id }) => id),
    );
    after = last.id;
  }
}

async function eraseEvents(pool: pg.Pool, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  const { min, max } = idBounds(ids);
  // Deliveries carry the time of their event.
  const { rows } = await pool.query<{ id: string }>(
    'SELECT id FROM delivery WHERE customer_id = $1 AND id BETWEEN $2 AND $3 AND event_id = ANY ($4::uuid[])',
    [operatorCustomerId, firstUuidAt(uuidTimeMs(min)), lastUuidAt(uuidTimeMs(max)), ids],
  );
  await eraseDeliveryRows(
    pool,
    rows.map(({ id }) => id),
  );
  await pool.query('DELETE FROM event WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3', [ids, min, max]);
}

import { idBounds } from '@posthorn/database';
import { firstUuidAt, lastUuidAt, operatorCustomerId, uuidTimeMs } from '@posthorn/domain';
import type pg from 'pg';

import { eraseDeliveryRows } from './erase-delivery-rows.sql.js';
import type { Erasure } from './erasure.sql.js';

const BATCH = 1_000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Removes the operator's operational events that name the customer, with their deliveries and attempts. */
export async function eraseOperationalEvents(client: pg.PoolClient, erasure: Erasure): Promise<void> {
  for (let after = BEFORE_ALL; ;) {
    const { rows } = await client.query<{ id: string; about: string | null }>(
      `SELECT id, body::json #>> '{data,customerId}' AS about FROM event
        WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT ${BATCH}`,
      [operatorCustomerId, after],
    );
    const last = rows.at(-1);
    if (!last) return;
    const ids = rows.filter(({ about }) => about === erasure.customerId).map(({ id }) => id);
    if (ids.length > 0) await erasure.part(() => eraseBatch(client, ids));
    after = last.id;
  }
}

async function eraseBatch(
  client: pg.PoolClient,
  ids: readonly string[],
): Promise<{ operationalEvents: number }> {
  const { min, max } = idBounds(ids);
  // Deliveries carry the time of their event.
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM delivery WHERE customer_id = $1 AND id BETWEEN $2 AND $3 AND event_id = ANY ($4::uuid[])',
    [operatorCustomerId, firstUuidAt(uuidTimeMs(min)), lastUuidAt(uuidTimeMs(max)), ids],
  );
  await eraseDeliveryRows(
    client,
    rows.map(({ id }) => id),
  );
  await client.query('DELETE FROM idempotency_key WHERE customer_id = $1 AND event_id = ANY ($2::uuid[])', [
    operatorCustomerId,
    ids,
  ]);
  const { rowCount } = await client.query(
    'DELETE FROM event WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3',
    [ids, min, max],
  );
  return { operationalEvents: rowCount ?? 0 };
}

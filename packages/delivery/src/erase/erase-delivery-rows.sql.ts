import { idBounds } from '@posthorn/database';
import type pg from 'pg';

/**
 * Removes deliveries with their attempts, and says how many there were. The deliveries first, in a statement of their own:
 * what is settled meanwhile has then recorded its attempt, which the second statement sees, or finds no delivery.
 */
export async function eraseDeliveryRows(
  client: pg.ClientBase,
  ids: readonly string[],
): Promise<{ deliveries: number; attempts: number }> {
  if (ids.length === 0) return { deliveries: 0, attempts: 0 };
  const { min, max } = idBounds(ids);
  // In id order, as whoever settles several locks them.
  await client.query(
    'SELECT FROM delivery WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE',
    [ids, min, max],
  );
  const deliveries = await client.query(
    'DELETE FROM delivery WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3',
    [ids, min, max],
  );
  const attempts = await client.query(
    'DELETE FROM attempt WHERE delivery_id = ANY ($1::uuid[]) AND delivery_id BETWEEN $2 AND $3',
    [ids, min, max],
  );
  return { deliveries: deliveries.rowCount ?? 0, attempts: attempts.rowCount ?? 0 };
}

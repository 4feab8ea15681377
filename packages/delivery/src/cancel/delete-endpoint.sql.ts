import type pg from 'pg';

import { closeDeliveriesOfEndpoint } from './close-deliveries-of-endpoint.sql.js';

/**
 * Deletes an endpoint (the row stays for the history) and cancels its unfinished deliveries. Returns false when there is
 * none. A delivery accepted meanwhile is cancelled when its turn comes.
 */
export async function deleteEndpoint(pool: pg.Pool, endpointId: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'UPDATE endpoint SET deleted_at = now(), updated_at = now() WHERE id = $1 AND deleted_at IS NULL',
    [endpointId],
  );
  if (rowCount === 0) return false;
  await closeDeliveriesOfEndpoint(pool, endpointId, { status: 'cancelled', reason: 'endpoint_deleted' });
  return true;
}

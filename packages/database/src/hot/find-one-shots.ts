import type { RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

import { idBounds } from './id-bounds.js';

/** Where an event's one delivery goes, as it is stored. */
export interface StoredOneShot {
  eventId: string;
  deliveryId: string;
  url: string;
  headersSealed: Buffer | null;
  retryPolicy: RetryPolicyInput | null;
}

/** By their events' ids; events that are no one-shots are left out. */
export async function findOneShots(
  pool: pg.Pool,
  eventIds: readonly string[],
): Promise<Map<string, StoredOneShot>> {
  if (eventIds.length === 0) return new Map();
  const { min, max } = idBounds(eventIds);
  const { rows } = await pool.query<StoredOneShot>({
    name: 'find_one_shots',
    text: `
      SELECT id AS "eventId", delivery_id AS "deliveryId", url, headers_sealed AS "headersSealed",
             retry_policy AS "retryPolicy"
        FROM one_shot WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3`,
    values: [eventIds, min, max],
  });
  return new Map(rows.map((row) => [row.eventId, row]));
}

import { byDay, createDayStatement } from '@posthorn/database';
import type { RetryPolicyInput } from '@posthorn/domain';
import type pg from 'pg';

/** The target of a one-shot, as it is stored. */
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
  const found = await byDay<string, StoredOneShot | undefined>(
    eventIds,
    (id) => id,
    async (tables, ids) => {
      const { rows } = await pool.query<StoredOneShot>(FIND_ONE_SHOTS(tables, { ids }));
      const byId = new Map(rows.map((row) => [row.eventId, row]));
      return ids.map((id) => byId.get(id));
    },
    undefined,
  );
  return new Map(found.flatMap((oneShot) => (oneShot ? [[oneShot.eventId, oneShot]] : [])));
}

const FIND_ONE_SHOTS = createDayStatement<{ ids: readonly string[] }>({
  name: 'find_one_shots',
  text: ({ oneShot, firstId, lastId }) => `
    SELECT id AS "eventId", delivery_id AS "deliveryId", url, headers_sealed AS "headersSealed",
           retry_policy AS "retryPolicy"
      FROM ${oneShot} WHERE id = ANY (:ids::uuid[]) AND id >= '${firstId}' AND id < '${lastId}'`,
});

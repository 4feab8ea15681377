import { idBounds, isLocked } from '@posthorn/database';
import type { DeliveryRef } from '@posthorn/domain';
import type pg from 'pg';

export interface MadeDue {
  deliveries: DeliveryRef[];
  /** Where the page ended; null when there is nothing after it. */
  after: string | null;
}

/** As many of the endpoint's pending rows are looked at for a page: most may be due already and wait in its lane. */
const SCANNED_ROWS = 250;

/**
 * Makes an endpoint's deliveries that wait for a retry time due now, under the generation they have: at most `limit` of them,
 * oldest event first, after an id. Looks at a bounded range of the index over what is unsettled, so a page may be empty and
 * still have a next one.
 */
export async function makeDueNow(
  pool: pg.Pool,
  { endpointId, after, limit }: { endpointId: string; after: string; limit: number },
): Promise<MadeDue> {
  const page = await pool.query<{ ids: string[] | null; scanned: number; last: string | null }>({
    name: 'find_waiting_for_retry',
    text: `
      WITH scanned AS MATERIALIZED (
        SELECT id, next_attempt_at FROM delivery
         WHERE endpoint_id = $1::uuid AND status <> 'delivered' AND status = 'pending' AND id > $2::uuid
         ORDER BY id LIMIT ${SCANNED_ROWS}
      ), waiting AS (SELECT id FROM scanned WHERE next_attempt_at > now() ORDER BY id LIMIT $3)
      SELECT (SELECT array_agg(id ORDER BY id) FROM waiting) AS ids, (SELECT count(*)::int FROM scanned) AS scanned,
             (SELECT id FROM scanned ORDER BY id DESC LIMIT 1) AS last`,
    values: [endpointId, after, limit],
  });
  const [{ ids, scanned, last } = { ids: null, scanned: 0, last: null }] = page.rows;
  const ended = scanned < SCANNED_ROWS && (ids?.length ?? 0) < limit;
  if (ids === null) return { deliveries: [], after: ended ? null : last };
  const { min, max } = idBounds(ids);
  const { rows } = await pool.query<DeliveryRef>({
    name: 'bring_forward',
    text: `
      WITH locked AS MATERIALIZED (
        SELECT id, status, next_attempt_at FROM delivery
         WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE
      )
      UPDATE delivery d SET next_attempt_at = now(), waiting_for = NULL
       WHERE ${isLocked('d', ['$2', '$3'], "status = 'pending' AND next_attempt_at > now()")}
      RETURNING d.id AS "deliveryId", d.event_id AS "eventId", d.endpoint_id AS "endpointId", d.customer_id AS "customerId", d.generation`,
    values: [ids, min, max],
  });
  return { deliveries: rows, after: ended ? null : ids.length < limit ? last : max };
}

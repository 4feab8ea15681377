import type { DeliveryRef } from '@posthorn/domain';
import type pg from 'pg';

export interface DueDelivery extends DeliveryRef {
  nextAttemptAtMs: number;
}

/** Where a walk over due deliveries stands: everything up to here has been seen. */
export interface DueCursor {
  nextAttemptAtMs: number;
  id: string;
}

/** Pending deliveries due up to a time, oldest first, after the cursor: one index range, whatever lies before it. */
export async function findDueDeliveries(
  client: pg.Pool | pg.ClientBase,
  after: DueCursor,
  untilMs: number,
  limit: number,
): Promise<DueDelivery[]> {
  const { rows } = await client.query<{
    id: string;
    event_id: string;
    endpoint_id: string;
    customer_id: string;
    generation: number;
    next_attempt_at: Date;
  }>({
    name: 'find_due_deliveries',
    text: `
      SELECT id, event_id, endpoint_id, customer_id, generation, next_attempt_at
        FROM delivery
       WHERE status = 'pending'
         AND (next_attempt_at, id) > (to_timestamp($1::bigint / 1000.0), $2::uuid)
         AND next_attempt_at <= to_timestamp($3::bigint / 1000.0)
       ORDER BY next_attempt_at, id
       LIMIT $4`,
    values: [after.nextAttemptAtMs, after.id, untilMs, limit],
  });
  return rows.map((row) => ({
    deliveryId: row.id,
    eventId: row.event_id,
    endpointId: row.endpoint_id,
    customerId: row.customer_id,
    generation: row.generation,
    nextAttemptAtMs: row.next_attempt_at.getTime(),
  }));
}

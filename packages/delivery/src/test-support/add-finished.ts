import { createUuidV7, deliveryIdOf } from '@posthorn/domain';
import type pg from 'pg';

export interface FinishedToAdd {
  customerId: string;
  endpointId: string;
  count: number;
  status?: 'dead_lettered' | 'cancelled' | 'delivered';
  type?: string;
  /** Default: accepted a minute ago, finished a second ago. */
  acceptedAtMs?: number;
  finishedAtMs?: number;
}

/** Writes events with finished deliveries, each after one attempt; returns the deliveries' ids in order. */
export async function addFinished(
  pool: pg.Pool,
  { customerId, endpointId, count, status = 'dead_lettered', type = 'invoice.paid', ...times }: FinishedToAdd,
): Promise<string[]> {
  const { acceptedAtMs = Date.now() - 60_000, finishedAtMs = Date.now() - 1_000 } = times;
  const eventIds = Array.from({ length: count }, () => createUuidV7(acceptedAtMs));
  const ids = eventIds.map((eventId) => deliveryIdOf(eventId, endpointId));
  await pool.query(
    `INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
     SELECT id, $2, $3, now(), to_timestamp($4::bigint / 1000.0), '{}', 1 FROM unnest($1::uuid[]) AS id`,
    [eventIds, customerId, type, acceptedAtMs],
  );
  await pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, attempts, created_at, expires_at,
                           finished_at)
     SELECT delivery_id(id, $2), id, $2, $3, $4, $5::text, CASE WHEN $5 <> 'delivered' THEN 'test' END, 1,
            to_timestamp($6::bigint / 1000.0), now() + interval '1 day', to_timestamp($7::bigint / 1000.0)
       FROM unnest($1::uuid[]) AS id`,
    [eventIds, endpointId, customerId, type, status, acceptedAtMs, finishedAtMs],
  );
  return ids.sort();
}

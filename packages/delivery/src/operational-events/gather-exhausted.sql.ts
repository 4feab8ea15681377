import type pg from 'pg';

import { addToOutboxSql } from './outbox.sql.js';

/**
 * The part of a statement that gathers dead letters per endpoint and reason out of rows of `delivery_end` called `taken`,
 * none of them of an erased customer.
 * What is sent to a notificationUrl tells of others and is not told of itself; see `addToOutboxSql` for the operator's customer.
 */
export const GATHER_EXHAUSTED = `placed AS (
  SELECT t.*, u.delivery_id, u.n, row_number() OVER (PARTITION BY t.endpoint_id, t.reason ORDER BY t.id, u.n) AS place
    FROM taken t
   CROSS JOIN LATERAL (SELECT FROM endpoint WHERE id = t.endpoint_id AND kind <> 'notification' LIMIT 1) e
   CROSS JOIN unnest(t.delivery_ids) WITH ORDINALITY AS u (delivery_id, n)
   WHERE t.status = 'dead_lettered'
), gathered AS (
  INSERT INTO exhaustion AS x (endpoint_id, reason, customer_id, deliveries, delivery_ids, last_at)
  SELECT endpoint_id, reason, customer_id, sum(deliveries) FILTER (WHERE n = 1),
         array_agg(delivery_id ORDER BY place) FILTER (WHERE place <= 10), max(ended_at)
    FROM placed
   GROUP BY endpoint_id, reason, customer_id ORDER BY endpoint_id, reason
  ON CONFLICT (endpoint_id, reason) DO UPDATE
     SET deliveries = x.deliveries + excluded.deliveries,
         delivery_ids = CASE WHEN x.deliveries = 0 THEN excluded.delivery_ids ELSE (x.delivery_ids || excluded.delivery_ids)[1:10] END,
         last_at = GREATEST(x.last_at, excluded.last_at)
)`;

/**
 * Notes what was gathered, of each endpoint and reason at most once in `everyMs`. The rows are locked first: an erasure
 * removes them before the notices.
 */
export async function reportExhausted(client: pg.ClientBase, everyMs: number): Promise<void> {
  await client.query({
    name: 'tell_exhausted',
    text: `
      WITH due AS MATERIALIZED (
        SELECT * FROM exhaustion WHERE deliveries > 0 AND (told_at IS NULL OR told_at <= now() - $1 * interval '1 millisecond')
           FOR UPDATE
      ), ${addToOutboxSql('told', 'posthorn.delivery.exhausted', FACTS, 'due')}, emptied AS (
        UPDATE exhaustion x SET deliveries = 0, delivery_ids = '{}', told_at = now()
          FROM due WHERE x.endpoint_id = due.endpoint_id AND x.reason = due.reason
      )
      DELETE FROM exhaustion WHERE deliveries = 0 AND told_at <= now() - $1 * interval '1 millisecond'`,
    values: [everyMs],
  });
}

const FACTS = `jsonb_build_object('endpointId', endpoint_id, 'reason', reason, 'deliveries', deliveries,
  'deliveryIds', delivery_ids, 'lastAt', last_at)`;

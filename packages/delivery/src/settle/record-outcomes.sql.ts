/**
 * The part of a statement that records which of its deliveries ended without being delivered: a common table expression
 * after one called `moved`, which returns `OUTCOME_COLUMNS`. It writes one row per endpoint, reason and minute, and leaves
 * out tests.
 */
export const RECORD_OUTCOMES = `ended AS (
  INSERT INTO delivery_end (customer_id, endpoint_id, status, reason, deliveries, delivery_ids, ended_at)
  SELECT customer_id, endpoint_id, status, reason, count(*), (array_agg(id ORDER BY id))[1:10], max(finished_at)
    FROM moved WHERE status IN ('dead_lettered', 'cancelled') AND NOT test
   GROUP BY customer_id, endpoint_id, status, reason, date_trunc('minute', finished_at)
)`;

/** What `moved` returns, of the delivery `d`. */
export const OUTCOME_COLUMNS =
  'd.id, d.customer_id, d.endpoint_id, d.status, d.reason, d.finished_at, d.test';

import type pg from 'pg';

export interface TestToInsert {
  eventId: string;
  deliveryId: string;
  endpointId: string;
  type: string;
  acceptedAtMs: number;
  expiresAtMs: number;
  /** The envelope as it is signed and sent. */
  body: string;
}

/**
 * Commits an event that tests an endpoint, with its delivery, due at once whether the endpoint takes others or not. False
 * when the endpoint is not there (any more).
 */
export async function insertTest(pool: pg.Pool, test: TestToInsert): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH target AS (
       SELECT e.customer_id FROM endpoint e JOIN customer c ON c.id = e.customer_id AND c.erased_at IS NULL
        WHERE e.id = $3 AND e.kind = 'registered' AND e.deleted_at IS NULL
          FOR SHARE OF e
     ), event AS (
       INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count, test)
       SELECT $1, customer_id, $4, to_timestamp($5::bigint / 1000.0), to_timestamp($5::bigint / 1000.0), $7, 1, true
         FROM target
     )
     INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at, test)
     SELECT $2, $1, $3, customer_id, $4, 'pending', to_timestamp($5::bigint / 1000.0), to_timestamp($5::bigint / 1000.0),
            to_timestamp($6::bigint / 1000.0), true
       FROM target`,
    [
      test.eventId,
      test.deliveryId,
      test.endpointId,
      test.type,
      test.acceptedAtMs,
      test.expiresAtMs,
      test.body,
    ],
  );
  return rowCount === 1;
}
